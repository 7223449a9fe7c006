"""Who takes part: accounts and their ways in, their places in campaigns, and what they did."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from labeling.admin.changing import Audited, ReadOnlyAdmin
from labeling.models import (
    ApiToken,
    AuditEvent,
    GroupMember,
    Invitation,
    InvitedGroup,
    LabelerGroup,
    Membership,
    OptOut,
    Tombstone,
    User,
    Withdrawal,
)


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


@admin.register(OptOut)
class OptOutAdmin(ReadOnlyAdmin):
    list_display = ["labeler", "category"]


@admin.register(Withdrawal)
class WithdrawalAdmin(ReadOnlyAdmin):
    list_display = ["labeler", "created_at"]
    list_select_related = ["labeler"]


@admin.register(Tombstone)
class TombstoneAdmin(ReadOnlyAdmin):
    list_display = ["withdrawal", "judgment", "demonstration"]
    list_select_related = ["withdrawal"]
