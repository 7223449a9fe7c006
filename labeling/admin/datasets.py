"""What comes into campaigns from files, and what is frozen out of them."""

from django.contrib import admin

from labeling.admin.changing import ReadOnlyAdmin
from labeling.models import (
    DemonstrationImport,
    DemonstrationSnapshot,
    PreferenceImport,
    Snapshot,
    SnapshotDemonstration,
    SnapshotJudgment,
    SnapshotOrder,
)


@admin.register(PreferenceImport)
class PreferenceImportAdmin(ReadOnlyAdmin):
    list_display = ["id", "name", "campaign", "imported_by", "created_at"]
    list_select_related = ["campaign", "imported_by"]


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "digest", "train_pairs", "test_pairs", "created_at"]
    list_select_related = ["campaign"]
    search_fields = ["digest"]


@admin.register(SnapshotOrder)
class SnapshotOrderAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "method", "status", "requested_at", "finished_at"]
    list_filter = ["method", "status"]
    list_select_related = ["campaign"]


@admin.register(SnapshotJudgment)
class SnapshotJudgmentAdmin(ReadOnlyAdmin):
    list_display = ["id", "snapshot", "judgment"]
    list_select_related = ["snapshot", "judgment"]


@admin.register(DemonstrationImport)
class DemonstrationImportAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "name", "imported_by", "created_at"]
    list_select_related = ["campaign", "imported_by"]


@admin.register(DemonstrationSnapshot)
class DemonstrationSnapshotAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "digest", "train_count", "test_count", "created_at"]
    list_select_related = ["campaign"]


@admin.register(SnapshotDemonstration)
class SnapshotDemonstrationAdmin(ReadOnlyAdmin):
    list_display = ["id", "snapshot", "demonstration"]
    list_select_related = ["snapshot", "demonstration"]
