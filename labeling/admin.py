"""The engine room: every table, searchable; rows that never change are read-only."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.http import HttpRequest

from labeling.models import (
    Act,
    ApiToken,
    Assignment,
    AuditEvent,
    Campaign,
    CampaignPolicy,
    Candidate,
    Chat,
    ChatTurn,
    Comparison,
    Delivery,
    DeliveryAttempt,
    Demonstration,
    DemonstrationImport,
    DemonstrationSkip,
    DemonstrationSlot,
    DemonstrationSnapshot,
    DiscardedPair,
    GoldQuestion,
    GroupMember,
    GuidelinesVersion,
    Hold,
    Image,
    Invitation,
    InvitedGroup,
    Judgment,
    LabelerGroup,
    MailWish,
    Membership,
    OptOut,
    PairChoice,
    PlannedMeeting,
    Policy,
    PreferenceImport,
    Prompt,
    PromptFile,
    PromptImage,
    Ranking,
    Report,
    Response,
    ResponseGroup,
    ReviewItem,
    Search,
    Skip,
    Snapshot,
    SnapshotDemonstration,
    SnapshotJudgment,
    SnapshotOrder,
    SpendingMark,
    Tally,
    Tombstone,
    User,
    Webhook,
    Withdrawal,
)
from labeling.services import audit


class ReadOnlyAdmin(admin.ModelAdmin):
    """For rows the database itself refuses to change, and rows that only programs write."""

    show_full_result_count = False  # counting a large table takes longer than showing it

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Audited(admin.ModelAdmin):
    """What is changed in the engine room is an administrative act like any other."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, Act.ADMIN_ADDED, obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, Act.ADMIN_CHANGED, obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self._record(request, Act.ADMIN_DELETED, obj, "")
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, act: Act, obj: Any, message: Any) -> None:
        assert isinstance(request.user, User)
        with transaction.atomic():  # the action that deletes many rows brings none of its own
            audit.record(actor=request.user, act=act, subject=obj, details={"message": message})


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "actor", "act", "subject", "campaign"]
    list_filter = ["act"]
    list_select_related = ["actor", "campaign"]
    search_fields = ["subject", "actor__username"]


@admin.register(User)
class AccordUserAdmin(Audited, UserAdmin):
    list_display = ["username", "kind", "is_engineer", "is_staff", "is_active", "last_login"]
    list_filter = ["kind", "is_engineer", "is_staff", "is_active"]
    fieldsets = [
        *(UserAdmin.fieldsets or ()),
        ("Accord", {"fields": ["kind", "is_engineer", "language"]}),
    ]


# Providers come from the environment, addresses are a column of the accounts, tokens are not kept;
# and what a way to sign in is made of, nobody edits.
admin.site.unregister([EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken])


class SignInMethodAdmin(Audited):
    """An administrator can only delete one, as when the phone with a second factor is lost."""

    list_select_related = ["user"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Authenticator)
class AuthenticatorAdmin(SignInMethodAdmin):
    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    search_fields = ["user__username"]
    exclude = ["data"]


@admin.register(SocialAccount)
class SocialAccountAdmin(SignInMethodAdmin):
    list_display = ["user", "provider", "uid", "date_joined", "last_login"]
    list_filter = ["provider"]
    search_fields = ["user__username", "uid"]


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
    exclude = ["prompts"]


@admin.register(GuidelinesVersion)
class GuidelinesVersionAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "number", "created_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign"]
    search_fields = ["text"]


@admin.register(GoldQuestion)
class GoldQuestionAdmin(ReadOnlyAdmin):
    list_display = ["comparison", "kind", "right", "created_at", "retired_at"]
    list_filter = ["kind", "comparison__campaign"]
    list_select_related = ["comparison"]
    search_fields = ["explanation"]


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = ["labeler", "campaign", "kind", "reason", "placed_at", "lifted_at"]
    list_filter = ["kind", "campaign"]
    list_select_related = ["labeler", "campaign"]
    search_fields = ["labeler__username", "reason"]


@admin.register(SpendingMark)
class SpendingMarkAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "up_to", "amount"]
    list_select_related = ["campaign"]


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "subject", "judges", "status", "requested_at", "finished_at"]
    list_filter = ["subject", "status"]
    list_select_related = ["campaign"]


@admin.register(PlannedMeeting)
class PlannedMeetingAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "one", "other", "pairs", "weight", "left_out_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "one__policy", "other__policy"]


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ["url", "campaign", "kinds", "active", "created_by"]
    list_filter = ["active"]
    list_select_related = ["campaign", "created_by"]


@admin.register(MailWish)
class MailWishAdmin(ReadOnlyAdmin):
    list_display = ["user", "kind"]
    list_select_related = ["user"]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["kind", "webhook", "reader", "status", "tries", "created_at"]
    list_filter = ["kind", "status"]
    list_select_related = ["webhook", "reader"]


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(ReadOnlyAdmin):
    list_display = ["delivery", "at", "status", "seconds"]
    list_select_related = ["delivery__webhook", "delivery__reader"]


@admin.register(LabelerGroup)
class LabelerGroupAdmin(ReadOnlyAdmin):
    list_display = ["name", "owner", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name"]


@admin.register(GroupMember)
class GroupMemberAdmin(ReadOnlyAdmin):
    list_display = ["group", "user"]
    list_select_related = ["group", "user"]


@admin.register(InvitedGroup)
class InvitedGroupAdmin(ReadOnlyAdmin):
    list_display = ["group", "campaign"]
    list_select_related = ["group", "campaign"]


@admin.register(PairChoice)
class PairChoiceAdmin(ReadOnlyAdmin):
    list_display = ["comparison", "arm", "disagreement", "chance"]
    list_filter = ["arm"]
    list_select_related = ["comparison"]


@admin.register(PromptFile)
class PromptFileAdmin(ReadOnlyAdmin):
    list_display = ["name", "campaign", "status", "rows", "prompts", "uploaded_by", "uploaded_at"]
    list_filter = ["status"]
    list_select_related = ["campaign", "uploaded_by"]
    search_fields = ["name", "campaign__name"]


@admin.register(Tally)
class TallyAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "labeler", "judge_kind", "day", "answers", "cost"]
    list_filter = ["judge_kind"]
    list_select_related = ["campaign", "labeler"]


@admin.register(Search)
class SearchAdmin(ReadOnlyAdmin):
    list_display = ["labeler", "campaign", "up_to", "at"]


@admin.register(OptOut)
class OptOutAdmin(ReadOnlyAdmin):
    list_display = ["labeler", "category"]


@admin.register(Policy)
class PolicyAdmin(Audited):
    list_display = ["slug", "parent", "checkpoint", "created_at"]
    list_filter = ["name"]
    search_fields = ["name"]


@admin.register(Membership)
class MembershipAdmin(Audited):
    list_display = ["campaign", "user", "role"]
    list_filter = ["role"]
    autocomplete_fields = ["user"]


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "role", "email", "expires_at", "accepted_by", "revoked_at"]
    list_select_related = ["campaign", "accepted_by"]


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ["owner", "name", "hint", "scopes", "expires_at", "last_used_at", "revoked_at"]
    list_select_related = ["owner"]
    search_fields = ["owner__username", "name"]
    exclude = ["digest"]


@admin.register(Withdrawal)
class WithdrawalAdmin(ReadOnlyAdmin):
    list_display = ["labeler", "created_at"]
    list_select_related = ["labeler"]


@admin.register(Tombstone)
class TombstoneAdmin(ReadOnlyAdmin):
    list_display = ["withdrawal", "judgment", "demonstration"]
    list_select_related = ["withdrawal"]


@admin.register(CampaignPolicy)
class CampaignPolicyAdmin(Audited):
    list_display = ["campaign", "policy", "responses", "temperature", "max_tokens"]


@admin.register(Prompt)
class PromptAdmin(ReadOnlyAdmin):
    list_display = ["id", "category", "__str__", "created_at"]
    list_filter = ["category"]
    search_fields = ["messages"]


@admin.register(Response)
class ResponseAdmin(ReadOnlyAdmin):
    list_display = ["id", "policy", "__str__", "token_count", "finish_reason", "created_at"]
    list_filter = ["policy", "finish_reason"]
    list_select_related = ["policy"]
    search_fields = ["text"]


@admin.register(Comparison)
class ComparisonAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "prompt", "created_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "prompt"]


@admin.register(ResponseGroup)
class ResponseGroupAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "prompt", "size", "created_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "prompt"]


@admin.register(Candidate)
class CandidateAdmin(ReadOnlyAdmin):
    list_display = ["id", "group", "place", "response"]
    list_select_related = ["group", "response"]


@admin.register(Ranking)
class RankingAdmin(ReadOnlyAdmin):
    list_display = ["judgment", "ranks"]
    list_select_related = ["judgment"]


@admin.register(Chat)
class ChatAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "labeler", "created_at", "ended_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "labeler"]


@admin.register(ChatTurn)
class ChatTurnAdmin(ReadOnlyAdmin):
    list_display = ["id", "chat", "number", "problem"]
    list_select_related = ["chat"]


@admin.register(Image)
class ImageAdmin(ReadOnlyAdmin):
    list_display = ["digest", "width", "height", "created_at"]


@admin.register(PromptImage)
class PromptImageAdmin(ReadOnlyAdmin):
    list_display = ["prompt", "image"]
    list_select_related = ["prompt", "image"]


@admin.register(DiscardedPair)
class DiscardedPairAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "prompt", "reason", "created_at"]
    list_filter = ["reason", "campaign"]
    list_select_related = ["campaign", "prompt"]


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


@admin.register(Skip)
class SkipAdmin(ReadOnlyAdmin):
    list_display = ["id", "comparison", "labeler", "reason", "note", "created_at"]
    list_filter = ["reason", "comparison__campaign"]
    list_select_related = ["comparison", "labeler"]
    search_fields = ["labeler__username", "note"]


@admin.register(PreferenceImport)
class PreferenceImportAdmin(ReadOnlyAdmin):
    list_display = ["id", "name", "campaign", "imported_by", "created_at"]
    list_select_related = ["campaign", "imported_by"]


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "digest", "train_pairs", "test_pairs", "created_at"]
    list_select_related = ["campaign"]
    search_fields = ["digest"]


@admin.register(ReviewItem)
class ReviewItemAdmin(ReadOnlyAdmin):
    list_display = ["comparison", "campaign", "reason", "created_at", "closed_at", "dismissed"]
    list_filter = ["reason", "dismissed"]
    list_select_related = ["comparison", "campaign"]


@admin.register(SnapshotOrder)
class SnapshotOrderAdmin(ReadOnlyAdmin):
    list_display = ["campaign", "method", "status", "requested_at", "finished_at"]
    list_filter = ["method", "status"]
    list_select_related = ["campaign"]


@admin.register(SnapshotJudgment)
class SnapshotJudgmentAdmin(ReadOnlyAdmin):
    list_display = ["id", "snapshot", "judgment"]
    list_select_related = ["snapshot", "judgment"]


@admin.register(DemonstrationSlot)
class DemonstrationSlotAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "prompt", "slot", "labeler", "leased_until", "answered_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "prompt", "labeler"]


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
