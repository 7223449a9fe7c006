from django.contrib import admin

from labeling.admin.changing import ReadOnlyAdmin
from rewardmodel.models import (
    Appointment,
    RewardModel,
    RewardModelMetric,
    ScoreRequest,
    Suite,
    SuiteResult,
)


class TrainingRunAdmin(ReadOnlyAdmin):
    """Runs are started, steered and cancelled on their pages; here they are only looked at."""

    list_display = ["id", "status", "step", "steps", "attempts", "created_at", "finished_at"]
    list_filter = ["status"]


class MetricAdmin(ReadOnlyAdmin):
    list_display = ["id", "run", "step", "values"]
    list_select_related = ["run"]


admin.site.register(RewardModel, TrainingRunAdmin)
admin.site.register(RewardModelMetric, MetricAdmin)


@admin.register(Appointment)
class AppointmentAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "reward_model", "appointed_by", "created_at"]
    list_select_related = ["campaign", "reward_model", "appointed_by"]


@admin.register(Suite)
class SuiteAdmin(ReadOnlyAdmin):
    list_display = ["id", "name", "pairs", "imported_by", "created_at"]
    list_select_related = ["imported_by"]


@admin.register(SuiteResult)
class SuiteResultAdmin(ReadOnlyAdmin):
    list_display = ["id", "suite", "reward_model", "created_at"]
    list_select_related = ["suite", "reward_model"]


@admin.register(ScoreRequest)
class ScoreRequestAdmin(ReadOnlyAdmin):
    list_display = ["id", "reward_model", "answered", "created_at"]
    list_select_related = ["reward_model"]
