from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.campaigns import Campaign


class Act(models.TextChoices):
    """What is audited. A new act gets a line here; the column itself knows no list."""

    CAMPAIGN_CREATED = "campaign.created", _("Campaign made")
    CAMPAIGN_CHANGED = "campaign.changed", _("Campaign changed")
    CAMPAIGN_OPENED = "campaign.opened", _("Campaign opened")
    CAMPAIGN_PAUSED = "campaign.paused", _("Campaign paused")
    CAMPAIGN_CLOSED = "campaign.closed", _("Campaign closed")
    CAMPAIGN_CLONED = "campaign.cloned", _("Campaign cloned")
    CAMPAIGN_ARCHIVED = "campaign.archived", _("Campaign archived")
    CAMPAIGN_RESTORED = "campaign.restored", _("Campaign taken out of the archive")
    CAMPAIGN_STOPPED = "campaign.stopped", _("Campaign paused by its stop rule")
    CHOICE_SET = "campaign.choice_set", _("Choice of pairs set")
    CAMPAIGN_RULE_SET = "campaign.rule_set", _("Stop rule set")
    MEMBER_ADDED = "member.added", _("Member added")
    MEMBER_CHANGED = "member.changed", _("Member's role changed")
    MEMBER_REMOVED = "member.removed", _("Member removed")
    INVITATION_SENT = "invitation.sent", _("Invitation made")
    INVITATION_ACCEPTED = "invitation.accepted", _("Invitation accepted")
    INVITATION_REVOKED = "invitation.revoked", _("Invitation taken back")
    GROUP_FOUNDED = "group.founded", _("Group of labelers made")
    GROUP_JOINED = "group.joined", _("Added to a group")
    GROUP_LEFT = "group.left", _("Taken out of a group")
    GROUP_INVITED = "group.invited", _("Group invited to a campaign")
    GROUP_DISMISSED = "group.dismissed", _("Group labels in a campaign no longer")
    ACCOUNT_MADE = "account.made", _("Account made")
    SIGN_IN_METHOD_ADDED = "sign_in_method.added", _("Way to sign in added")
    SIGN_IN_METHOD_REMOVED = "sign_in_method.removed", _("Way to sign in removed")
    PASSWORD_CHANGED = "password.changed", _("Password changed")
    PASSWORD_RESET = "password.reset", _("Password reset by e-mail")
    LABELER_HELD = "labeler.held", _("Labeler's judgments held back")
    LABELER_RELEASED = "labeler.released", _("Labeler's judgments are data again")
    LABELER_LET_IN = "labeler.let_in", _("Labeler let in without the test")
    GOLD_ADDED = "gold.added", _("Gold question added")
    GOLD_RETIRED = "gold.retired", _("Gold question retired")
    REVIEW_DISMISSED = "review.dismissed", _("Review dismissed")
    PREFERENCES_IMPORTED = "preferences.imported", _("Preferences imported")
    PREFERENCES_EXPORTED = "preferences.exported", _("Preferences exported")
    PROMPTS_IMPORTED = "prompts.imported", _("Prompts imported")
    PROMPTS_LEFT_OUT = "prompts.left_out", _("Near-duplicate prompts left out")
    PROMPTS_TAKEN_BACK = "prompts.taken_back", _("Prompts that were left out taken back")
    PROMPTS_STOPPED = "prompts.stopped", _("Import of prompts stopped")
    POLICY_ENTERED = "policy.entered", _("Policy answers in a campaign")
    PLAN_EXTENDED = "plan.extended", _("Line added to a pair plan")
    PLAN_SHORTENED = "plan.shortened", _("Line left out of a pair plan")
    RESPONSES_REQUESTED = "responses.requested", _("Responses asked for")
    DEMONSTRATIONS_IMPORTED = "demonstrations.imported", _("Demonstrations imported")
    DEMONSTRATIONS_EXPORTED = "demonstrations.exported", _("Demonstrations exported")
    DEMONSTRATIONS_REQUESTED = "demonstrations.requested", _("Demonstrations asked for")
    SNAPSHOT_TAKEN = "snapshot.taken", _("Snapshot taken")
    TRAINING_STARTED = "training.started", _("Training started")
    TRAINING_CANCELLED = "training.cancelled", _("Training cancelled")
    BEST_OF_STARTED = "best_of.started", _("Best of n asked for")
    SUITE_IMPORTED = "suite.imported", _("Test suite imported")
    REWARD_MODEL_APPOINTED = "reward_model.appointed", _("Reward model made current")
    TRAINING_STEERED = "training.steered", _("Training steered")
    ROUND_BEGUN = "round.begun", _("Round begun")
    ROUND_DECIDED = "round.decided", _("Round decided")
    POLICY_PROMOTED = "policy.promoted", _("Policy promoted")
    POLICY_ROLLED_BACK = "policy.rolled_back", _("Policy rolled back")
    TOKEN_MADE = "token.made", _("API token made")
    TOKEN_REVOKED = "token.revoked", _("API token revoked")
    WEBHOOK_ADDED = "webhook.added", _("Webhook added")
    WEBHOOK_ON = "webhook.on", _("Webhook switched on")
    WEBHOOK_OFF = "webhook.off", _("Webhook switched off")
    WEBHOOK_SECRET_RENEWED = "webhook.secret_renewed", _("Webhook's secret renewed")
    EVENT_REPLAYED = "event.replayed", _("Event delivered again")
    DATA_WITHDRAWN = "data.withdrawn", _("Data withdrawn")
    ADMIN_ADDED = "admin.added", _("Added in the admin")
    ADMIN_CHANGED = "admin.changed", _("Changed in the admin")
    ADMIN_DELETED = "admin.deleted", _("Deleted in the admin")


class AuditEvent(models.Model):
    """Who did what to what, and when; never changed, never deleted (migration 0013).

    The subject is named in words and by its key, not by a foreign key: the event outlives it.
    """

    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.ForeignKey(  # empty: a trigger or a command did it, and no person
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    act = models.CharField(max_length=60)
    subject_type = models.CharField(max_length=60, blank=True)  # a model's name
    subject_id = models.CharField(max_length=64, blank=True)
    subject = models.CharField(max_length=300)
    # Whose managers may read it; empty: engineers and administrators alone.
    campaign = models.ForeignKey(
        Campaign, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    details = models.JSONField(default=dict)  # of a change: field -> [before, after]

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="audit_act_names_a_thing_and_a_verb",
                condition=models.Q(act__regex=r"^[a-z_]+\.[a-z_]+$"),
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "-id"], name="audit_of_a_campaign"),
            models.Index(fields=["act", "-id"], name="audit_of_an_act"),
            models.Index(fields=["actor", "-id"], name="audit_of_an_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.act}: {self.subject}"

    @property
    def in_words(self) -> str:
        return str(Act(self.act).label) if self.act in Act.values else self.act
