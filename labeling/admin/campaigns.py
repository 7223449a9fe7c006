"""Campaigns, what is decided about them, and what is counted and computed in them."""

from django.contrib import admin

from labeling.admin.changing import Audited, ReadOnlyAdmin
from labeling.models import (
    Campaign,
    CampaignPolicy,
    CampaignTally,
    ComparisonTally,
    GuidelinesVersion,
    Membership,
    PairChoice,
    PlannedMeeting,
    Report,
    Search,
    SpendingMark,
    Tally,
)


class CampaignPolicyInline(admin.TabularInline):
    model = CampaignPolicy
    extra = 0


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ["user"]


@admin.register(Campaign)
class CampaignAdmin(Audited):
    list_display = ["name", "kind", "status", "overlap", "created_at", "created_by"]
    list_filter = ["status"]
    search_fields = ["name"]
    inlines = [CampaignPolicyInline, MembershipInline]
    exclude = ["prompts", "left_out"]


@admin.register(CampaignPolicy)
class CampaignPolicyAdmin(Audited):
    list_display = ["campaign", "policy", "responses", "temperature", "max_tokens"]


@admin.register(GuidelinesVersion)
class GuidelinesVersionAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "number", "created_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign"]
    search_fields = ["text"]


@admin.register(PlannedMeeting)
class PlannedMeetingAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "one", "other", "pairs", "weight", "left_out_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "one__policy", "other__policy"]


@admin.register(PairChoice)
class PairChoiceAdmin(ReadOnlyAdmin):
    list_display = ["comparison", "arm", "disagreement", "chance"]
    list_filter = ["arm"]
    list_select_related = ["comparison"]


@admin.register(SpendingMark)
class SpendingMarkAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "up_to", "amount"]
    list_select_related = ["campaign"]


@admin.register(Tally)
class TallyAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "labeler", "judge_kind", "day", "answers", "cost"]
    list_filter = ["judge_kind"]
    list_select_related = ["campaign", "labeler"]


@admin.register(ComparisonTally)
class ComparisonTallyAdmin(ReadOnlyAdmin):
    list_display = ["comparison", "slots", "open", "skips", "people", "simulations", "ais"]
    list_select_related = ["comparison"]


@admin.register(CampaignTally)
class CampaignTallyAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "labeler", "judges", "judged", "asked", "complete", "open", "skips"]
    list_select_related = ["campaign", "labeler"]


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "subject", "judges", "status", "requested_at", "finished_at"]
    list_filter = ["subject", "status"]
    list_select_related = ["campaign"]


@admin.register(Search)
class SearchAdmin(ReadOnlyAdmin):
    list_display = ["labeler", "campaign", "up_to", "at"]
