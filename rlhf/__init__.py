"""Turns preferences into a better policy."""
