"""What labelers do with what they are asked, and what becomes of it."""

from django.contrib import admin

from labeling.admin.changing import ReadOnlyAdmin
from labeling.models import (
    Assignment,
    Demonstration,
    DemonstrationSkip,
    Hold,
    Judgment,
    Ranking,
    ReviewItem,
    Skip,
)


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyAdmin):
    list_display = [
        *("id", "comparison", "slot", "first_on_left"),
        *("labeler", "leased_until", "answered_at"),
    ]
    list_select_related = ["comparison", "labeler"]
    search_fields = ["labeler__username"]


@admin.register(Judgment)
class JudgmentAdmin(ReadOnlyAdmin):
    list_display = [
        *("id", "comparison", "judge_kind", "labeler", "preference"),
        *("equal", "seconds", "created_at"),
    ]
    list_filter = ["judge_kind", "equal"]
    list_select_related = ["comparison", "labeler"]
    search_fields = ["labeler__username", "rationale"]


@admin.register(Ranking)
class RankingAdmin(ReadOnlyAdmin):
    list_display = ["judgment", "ranks"]
    list_select_related = ["judgment"]


@admin.register(Skip)
class SkipAdmin(ReadOnlyAdmin):
    list_display = ["id", "comparison", "labeler", "reason", "note", "created_at"]
    list_filter = ["reason", "comparison__campaign"]
    list_select_related = ["comparison", "labeler"]
    search_fields = ["labeler__username", "note"]


@admin.register(Demonstration)
class DemonstrationAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "prompt", "author_kind", "labeler", "seconds", "created_at"]
    list_filter = ["campaign", "author_kind"]
    list_select_related = ["campaign", "prompt", "labeler"]
    search_fields = ["text"]


@admin.register(DemonstrationSkip)
class DemonstrationSkipAdmin(ReadOnlyAdmin):
    list_display = ["id", "prompt", "labeler", "reason", "note", "created_at"]
    list_filter = ["reason"]
    list_select_related = ["prompt", "labeler"]


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = ["labeler", "campaign", "kind", "reason", "placed_at", "lifted_at"]
    list_filter = ["kind", "campaign"]
    list_select_related = ["labeler", "campaign"]
    search_fields = ["labeler__username", "reason"]


@admin.register(ReviewItem)
class ReviewItemAdmin(ReadOnlyAdmin):
    list_display = ["comparison", "campaign", "reason", "created_at", "closed_at", "dismissed"]
    list_filter = ["reason", "dismissed"]
    list_select_related = ["comparison", "campaign"]
