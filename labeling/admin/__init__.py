"""The engine room: every table, searchable; rows that never change are read-only."""

from labeling.admin import campaigns, datasets, events, judgments, people, questions

__all__ = ["campaigns", "datasets", "events", "judgments", "people", "questions"]
