from django.contrib import admin

from labeling.admin.changing import ReadOnlyAdmin
from rewardmodel.admin import MetricAdmin, TrainingRunAdmin
from rlhf.models import (
    BestOfRun,
    BestOfRunMetric,
    PolicyRun,
    PolicyRunMetric,
    Promotion,
    ResponseRequest,
    Round,
    ServingSlot,
    SFTRun,
    SFTRunMetric,
    Steering,
)

admin.site.register(PolicyRun, TrainingRunAdmin)
admin.site.register(PolicyRunMetric, MetricAdmin)
admin.site.register(BestOfRun, TrainingRunAdmin)
admin.site.register(BestOfRunMetric, MetricAdmin)
admin.site.register(SFTRun, TrainingRunAdmin)
admin.site.register(SFTRunMetric, MetricAdmin)


@admin.register(Steering)
class SteeringAdmin(ReadOnlyAdmin):
    list_display = ["id", "run", "number", "kl_coef", "finish", "steered_by", "created_at"]
    list_select_related = ["run", "steered_by"]


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    list_display = ["id", "policy", "reason", "promoted_by", "created_at"]
    list_select_related = ["policy", "promoted_by"]


@admin.register(ResponseRequest)
class ResponseRequestAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "policy", "number", "status", "error"]
    list_filter = ["status", "policy"]
    list_select_related = ["campaign", "policy"]


@admin.register(Round)
class RoundAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "number", "stage", "decision", "created_at", "decided_at"]
    list_filter = ["decision"]
    list_select_related = ["campaign"]


@admin.register(ServingSlot)
class ServingSlotAdmin(ReadOnlyAdmin):
    list_display = ["number", "policy"]
