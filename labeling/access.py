"""The only way a view gets an object for a user. What a user may not see does not exist: 404."""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from labeling.models import (
    Assignment,
    AuditEvent,
    Campaign,
    Delivery,
    Demonstration,
    DemonstrationSlot,
    Image,
    Invitation,
    Judgment,
    LabelerGroup,
    Membership,
    PlannedMeeting,
    PromptFile,
    PromptImage,
    ReviewItem,
    User,
    Webhook,
)

# Each role includes the ones before it.
ROLES = [Membership.Role.LABELER, Membership.Role.REVIEWER, Membership.Role.MANAGER]


def campaigns_for(user: User, role: str = Membership.Role.LABELER) -> QuerySet[Campaign]:
    """Campaigns in which the user has at least this role; engineers manage all of them."""
    if user.steers_training:
        return Campaign.objects.all()
    enough = ROLES[ROLES.index(Membership.Role(role)) :]
    return Campaign.objects.filter(
        pk__in=Membership.objects.filter(user=user, role__in=enough).values("campaign")
    )


def campaign_for(user: User, pk: int, role: str = Membership.Role.LABELER) -> Campaign:
    return get_object_or_404(campaigns_for(user, role), pk=pk)


def assignment_for(user: User, pk: int) -> Assignment:
    """An assignment of a campaign the user labels in.

    It may be leased to someone else by now: the service says so in a sentence, where a 404
    would leave the labeler wondering where the answer went.
    """
    return get_object_or_404(
        Assignment.objects.select_related("comparison__campaign"),
        pk=pk,
        campaign__in=campaigns_for(user),
    )


def judgment_for(user: User, pk: int) -> Judgment:
    """An answer of the user's own, in a campaign the user still labels in."""
    return get_object_or_404(
        Judgment.objects.select_related(
            "assignment__comparison__campaign",
            "assignment__comparison__prompt",
            "assignment__comparison__group",
            "assignment__comparison__first",
            "assignment__comparison__second",
        ),
        pk=pk,
        labeler=user,
        assignment__isnull=False,
        comparison__campaign__in=campaigns_for(user),
    )


def prompt_slot_for(user: User, pk: int) -> DemonstrationSlot:
    """A wanted demonstration in a campaign the user labels in, perhaps someone else's by now.

    In a campaign of pairs it belongs to the labeler who edits a response that they judged.
    """
    asked_of_all = Q(campaign__kind=Campaign.Kind.DEMONSTRATION)
    return get_object_or_404(
        DemonstrationSlot.objects.select_related("campaign", "prompt", "first", "second").filter(
            asked_of_all | Q(labeler=user)
        ),
        pk=pk,
        campaign__in=campaigns_for(user),
    )


def demonstration_for(user: User, pk: int) -> Demonstration:
    """An ideal answer of the user's own, in a campaign the user still labels in."""
    return get_object_or_404(
        Demonstration.objects.select_related(
            "slot__campaign", "slot__prompt", "slot__first", "slot__second"
        ),
        pk=pk,
        labeler=user,
        slot__isnull=False,
        campaign__in=campaigns_for(user),
    )


def review_item_for(user: User, pk: int) -> ReviewItem:
    """A pair or a group that waits, or waited, for a review in a campaign the user reviews."""
    return get_object_or_404(
        ReviewItem.objects.select_related(
            "campaign",
            "comparison__prompt",
            "comparison__group",
            "comparison__first",
            "comparison__second",
        ),
        pk=pk,
        campaign__in=campaigns_for(user, Membership.Role.REVIEWER),
    )


def image_for(user: User, digest: str) -> Image:
    """An image that a prompt of one of the user's campaigns shows."""
    campaigns = campaigns_for(user)
    shown = PromptImage.objects.filter(
        Q(prompt__campaigns__in=campaigns)
        | Q(prompt__comparisons__campaign__in=campaigns)
        | Q(prompt__chat_turns__chat__campaign__in=campaigns)
        | Q(prompt__demonstration_slots__campaign__in=campaigns)
    )
    return get_object_or_404(Image, digest=digest, pk__in=shown.values("image"))


def membership_for(user: User, pk: int) -> Membership:
    """Somebody's part in a campaign that the user manages."""
    return get_object_or_404(
        Membership.objects.select_related("user", "campaign"),
        pk=pk,
        campaign__in=campaigns_for(user, Membership.Role.MANAGER),
    )


def planned_meeting_for(user: User, pk: int) -> PlannedMeeting:
    """A line of the pair plan of a campaign that the user manages."""
    return get_object_or_404(
        PlannedMeeting.objects.select_related("campaign", "one__policy", "other__policy"),
        pk=pk,
        campaign__in=campaigns_for(user, Membership.Role.MANAGER),
    )


def group_for(user: User, pk: int) -> LabelerGroup:
    """A group of labelers that the user founded; engineers change all of them."""
    groups = LabelerGroup.objects.all() if user.steers_training else user.owned_groups.all()
    return get_object_or_404(groups, pk=pk)


def webhooks_for(user: User) -> QuerySet[Webhook]:
    """Of the campaigns that the user manages; those of all campaigns belong to engineers."""
    if user.steers_training:
        return Webhook.objects.all()
    return Webhook.objects.filter(
        campaign__in=campaigns_for(user, Membership.Role.MANAGER).values("pk")
    )


def webhook_for(user: User, pk: int) -> Webhook:
    return get_object_or_404(webhooks_for(user).select_related("campaign", "created_by"), pk=pk)


def delivery_for(user: User, pk: int) -> Delivery:
    """What was sent to a webhook of the user's."""
    return get_object_or_404(
        Delivery.objects.select_related("webhook__campaign"),
        pk=pk,
        webhook__in=webhooks_for(user),
    )


def prompt_file_for(user: User, pk: int) -> PromptFile:
    """A file of prompts of a campaign that the user manages."""
    return get_object_or_404(
        PromptFile.objects.select_related("campaign"),
        pk=pk,
        campaign__in=campaigns_for(user, Membership.Role.MANAGER),
    )


def invitation_for(user: User, pk: int) -> Invitation:
    """An invitation to a campaign that the user manages."""
    return get_object_or_404(
        Invitation.objects.select_related("campaign"),
        pk=pk,
        campaign__in=campaigns_for(user, Membership.Role.MANAGER),
    )


def audit_events_for(user: User) -> QuerySet[AuditEvent]:
    """Engineers and administrators read the whole log, managers what concerns their campaigns."""
    if user.steers_training:
        return AuditEvent.objects.all()
    return AuditEvent.objects.filter(
        campaign__in=campaigns_for(user, Membership.Role.MANAGER).values("pk")
    )


def manages_campaigns(user: User) -> bool:
    """Whether the manager's pages concern this user at all."""
    return user.steers_training or user.memberships.filter(role=Membership.Role.MANAGER).exists()


def must_have_second_factor(user: User) -> bool:
    """Whether this installation asks more than a password of somebody who may do so much."""
    return settings.REQUIRE_TOTP and (user.is_staff or manages_campaigns(user))


def lacks_second_factor(user: User) -> bool:
    return (
        must_have_second_factor(user)
        and not Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists()
    )


def require_engineer(user: User) -> None:
    """Training, promotion and serving are steered by engineers and administrators only."""
    if not user.steers_training:
        raise PermissionDenied
