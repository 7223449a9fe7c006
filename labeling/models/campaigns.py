from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from labeling.models.policies import Policy
from labeling.models.prompts import Prompt


class PairRule(models.TextChoices):
    """How a campaign chooses the pairs that labelers get."""

    RANDOM = "random", _("by chance")
    UNCERTAINTY = "uncertainty", _("where the reward model is unsure")
    RANKING = "ranking", _("what tells most about the ranking of the policies")


class Campaign(models.Model):
    """A question put to labelers about many pairs, and the rules for asking it."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")  # being prepared; nobody labels
        OPEN = "open", _("Open")  # draft or paused -> open
        PAUSED = "paused", _("Paused")  # open -> paused; leases already given may still be answered
        CLOSED = "closed", _("Closed")  # open or paused -> closed; final

    class Kind(models.TextChoices):
        COMPARISON = "comparison", _("Pairs: labelers judge two responses to a given prompt")
        RANKING = "ranking", _("Rankings: labelers put three to nine responses in order")
        CHAT = "chat", _("Live chat: labelers write, two policies answer, turn by turn")
        DEMONSTRATION = "demonstration", _("Demonstrations: labelers write the ideal answer")

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.COMPARISON)
    guidelines = models.TextField(blank=True)  # Markdown
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    overlap = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(50)],
        help_text="How many labelers judge each pair.",
    )
    lease_minutes = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1)],
        help_text="How long a pair stays reserved for the labeler who opened it.",
    )
    strength = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(4)],
        help_text="Levels of preference on each side: 1 is a plain A or B.",
    )
    rationale_from = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Level of preference from which on a reason is required; empty: never.",
    )
    edits_better = models.BooleanField(
        default=False,
        help_text="Once a pair is judged, the better response may be edited into the ideal answer.",
    )
    allow_tie = models.BooleanField(default=True)
    allow_both_good = models.BooleanField(default=False)
    allow_both_bad = models.BooleanField(default=True)
    aspects = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    flags = ArrayField(models.CharField(max_length=40), default=list, blank=True)

    # What may harm who reads it: violence, hate. Named, it is warned of, covered until it is
    # uncovered, and a labeler may opt out of it; a prompt whose category is one of them holds that
    # and nothing else.
    content_warnings = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    exposure_cap = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Pairs with content warnings, of all campaigns, that a labeler gets a day.",
    )
    break_after = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        default=50,
        validators=[MinValueValidator(5)],
        help_text="Minutes of attention after which a break is suggested; empty: never.",
    )

    # Of several campaigns, "Take the next pair" gives the one with the highest number first.
    priority = models.SmallIntegerField(
        default=0, validators=[MinValueValidator(-100), MaxValueValidator(100)]
    )
    daily_quota = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Pairs that one labeler gets here a day; empty: as many as wanted.",
    )
    # Money has no currency here: whatever the managers of an installation count in.
    price = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Promised for each judgment from now on; empty: nothing.",
    )
    budget = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="No pair is given out that this could not pay; empty: no limit.",
    )
    deadline = models.DateTimeField(
        null=True, blank=True, help_text="After it no pair is given out; empty: never."
    )

    # Shares are of the pairs that a labeler gets; empty: none.
    gold_share = models.FloatField(null=True, blank=True)  # silent gold and attention checks
    repeat_share = models.FloatField(null=True, blank=True)  # the same pair, sides swapped
    repeat_after_days = models.PositiveSmallIntegerField(default=3)
    # Of the test's questions and of a probation's gold; empty: there is no test.
    pass_share = models.FloatField(null=True, blank=True)
    probation_pairs = models.PositiveSmallIntegerField(null=True, blank=True)  # after the test
    show_gold = models.BooleanField(default=False)  # labelers see how often they agree with gold

    # By which rule pairs are chosen, and the share that is left to chance all the same: without it
    # nobody could say what the rule is worth. Rules are in rlhf, which knows the reward models.
    pair_choice = models.CharField(max_length=12, choices=PairRule, default=PairRule.RANDOM)
    control_share = models.FloatField(default=0.2)
    # Where the reward model chooses: how many of a prompt's possible pairs become pairs.
    chosen_pairs = models.PositiveSmallIntegerField(default=1)

    # The campaign pauses by itself once one of these is reached; empty: it goes on.
    stop_width = models.FloatField(null=True, blank=True)  # half of each win rate's interval
    stop_gain = models.FloatField(null=True, blank=True)  # accuracy that 100 labels would add

    prompts = models.ManyToManyField(Prompt, related_name="campaigns", blank=True)
    # Near-duplicates of prompts that stayed: asked no more, until somebody takes them back.
    left_out = models.ManyToManyField(Prompt, related_name="+", blank=True)
    policies = models.ManyToManyField(Policy, through="CampaignPolicy", related_name="campaigns")
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="campaigns"
    )

    reward_model_after = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Train a reward model after this many new comparisons; empty: by hand.",
    )
    policy_margin = models.FloatField(
        null=True,
        blank=True,
        help_text="Start PPO when held-out accuracy beats the best baseline by this much; "
        "empty: by hand.",
    )
    approval_required = models.BooleanField(
        default=True, help_text="A person approves before a new policy is promoted."
    )

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True)  # out of the way, and nothing else

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="campaign_archived_once_closed",
                condition=Q(archived_at__isnull=True) | Q(status="closed"),
            ),
            models.CheckConstraint(
                name="campaign_quota_is_a_pair_or_more",
                condition=Q(daily_quota__isnull=True) | Q(daily_quota__gte=1),
            ),
            models.CheckConstraint(
                name="campaign_price_is_not_negative",
                condition=Q(price__isnull=True) | Q(price__gte=0),
            ),
            models.CheckConstraint(
                name="campaign_quality_shares_are_shares",
                condition=(Q(gold_share__isnull=True) | Q(gold_share__gt=0, gold_share__lte=1))
                & (Q(repeat_share__isnull=True) | Q(repeat_share__gt=0, repeat_share__lte=1))
                & (Q(pass_share__isnull=True) | Q(pass_share__gt=0, pass_share__lte=1)),
            ),
            models.CheckConstraint(
                name="campaign_probation_has_a_mark_to_reach",
                condition=Q(probation_pairs__isnull=True)
                | Q(
                    probation_pairs__gte=1,
                    pass_share__isnull=False,
                    gold_share__isnull=False,
                ),
                violation_error_message=_(
                    "A probation ends by agreement with gold: set a share of gold questions and "
                    "the share that has to be right."
                ),
            ),
            models.CheckConstraint(
                name="campaign_budget_pays_a_price",
                condition=Q(budget__isnull=True)
                | Q(budget__gt=0, price__isnull=False, price__gt=0),
                violation_error_message=_(
                    "A budget limits what is paid: set a price for each judgment, or leave the "
                    "budget empty."
                ),
            ),
            models.CheckConstraint(
                name="campaign_pair_choice_is_known",
                condition=Q(pair_choice__in=["random", "uncertainty", "ranking"]),
            ),
            models.CheckConstraint(
                name="campaign_leaves_pairs_to_chance",
                condition=Q(control_share__gte=0.05, control_share__lte=1, chosen_pairs__gte=1),
                violation_error_message=_(
                    "Between 5 % and all of the pairs are left to chance, or nobody could say "
                    "what choosing is worth."
                ),
            ),
            models.CheckConstraint(
                name="campaign_stops_at_a_share",
                condition=(Q(stop_width__isnull=True) | Q(stop_width__gt=0, stop_width__lt=0.5))
                & (Q(stop_gain__isnull=True) | Q(stop_gain__gt=0, stop_gain__lt=1)),
            ),
            models.CheckConstraint(
                name="campaign_status_is_known",
                condition=Q(status__in=["draft", "open", "paused", "closed"]),
            ),
            models.CheckConstraint(
                name="campaign_kind_is_known",
                condition=Q(kind__in=["comparison", "ranking", "chat", "demonstration"]),
            ),
            models.CheckConstraint(
                name="campaign_that_ranks_asks_for_the_order_alone",
                condition=~Q(kind="ranking")
                | Q(strength=1, rationale_from__isnull=True, aspects__len=0),
                violation_error_message=_(
                    "A ranking asks for the order alone: no scale, no aspects, no required reason."
                ),
            ),
            models.CheckConstraint(
                name="campaign_asks_at_least_one_labeler", condition=Q(overlap__gte=1)
            ),
            models.CheckConstraint(
                name="campaign_lease_lasts_a_minute_or_more", condition=Q(lease_minutes__gte=1)
            ),
            models.CheckConstraint(
                name="campaign_strength_in_range", condition=Q(strength__gte=1, strength__lte=4)
            ),
            models.CheckConstraint(
                name="campaign_asks_reasons_from_a_step_of_its_scale",
                condition=Q(rationale_from__isnull=True)
                | Q(rationale_from__gte=1, rationale_from__lte=F("strength")),
                violation_error_message=_(
                    "The scale has fewer steps than that: reasons can be required from one of its "
                    "steps on, or never."
                ),
            ),
            models.CheckConstraint(
                name="campaign_caps_exposure_to_what_it_warns_of",
                condition=Q(exposure_cap__isnull=True)
                | Q(exposure_cap__gte=1, content_warnings__len__gt=0),
                violation_error_message=_(
                    "The daily limit is for content that is warned of: name the content, or leave "
                    "the limit empty."
                ),
            ),
            models.CheckConstraint(
                name="campaign_suggests_no_break_in_the_first_minutes",
                condition=Q(break_after__isnull=True) | Q(break_after__gte=5),
            ),
            models.CheckConstraint(
                name="campaign_margin_is_a_share",
                condition=Q(policy_margin__isnull=True)
                | Q(policy_margin__gte=0, policy_margin__lte=1),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def asks_reason(self, preference: int) -> bool:
        """Whether a preference of this strength, on either side, needs a reason. 0 never does."""
        return self.rationale_from is not None and abs(preference) >= self.rationale_from

    def is_over(self, now: datetime) -> bool:
        """Whether the deadline has passed: nothing is given out, what was begun may be finished."""
        return self.deadline is not None and now >= self.deadline

    @property
    def lease(self) -> timedelta:
        """How long a slot is reserved for whoever takes it."""
        return timedelta(minutes=self.lease_minutes)

    @cached_property
    def guidelines_number(self) -> int | None:
        """Which version of the guidelines this campaign's text is; None while there is none."""
        return self.guidelines_versions.order_by("-number").values_list("number", flat=True).first()

    @property
    def gives_out_pairs(self) -> bool:
        """What a chat compares belongs to the labeler who led it, and nobody else is asked."""
        return self.status == self.Status.OPEN and self.kind in (
            self.Kind.COMPARISON,
            self.Kind.RANKING,
        )

    @property
    def gives_out_prompts(self) -> bool:
        """Demonstrations of any labeler are wanted."""
        return self.status == self.Status.OPEN and self.kind == self.Kind.DEMONSTRATION

    @property
    def takes_answers(self) -> bool:
        """A paused campaign gives out no work, but what was begun may be finished or changed."""
        return self.status in (self.Status.OPEN, self.Status.PAUSED)


class CampaignPolicy(models.Model):
    """How one policy takes part in a campaign: how many responses, sampled how."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="entrants")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="entries")
    responses = models.PositiveSmallIntegerField(default=2)  # per prompt
    temperature = models.FloatField(default=1.0)
    top_p = models.FloatField(default=1.0)
    max_tokens = models.PositiveIntegerField(default=128)

    class Meta:
        verbose_name_plural = "campaign policies"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "policy"], name="policy_enters_a_campaign_once"
            ),
            models.CheckConstraint(
                name="campaign_policy_sampling_in_range",
                condition=Q(temperature__gte=0, top_p__gt=0, top_p__lte=1, max_tokens__gte=1)
                & Q(responses__gte=1, responses__lte=16),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy} in {self.campaign}"


class Membership(models.Model):
    """What one user may do in one campaign."""

    class Role(models.TextChoices):
        LABELER = "labeler", _("Labeler")
        REVIEWER = "reviewer", _("Reviewer")
        MANAGER = "manager", _("Manager")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role, default=Role.LABELER)
    by_group = models.BooleanField(default=False)  # came with a group and goes with it
    qualified_at = models.DateTimeField(null=True, blank=True)  # passed the test, or was let in

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "user"], name="one_role_per_campaign"),
            models.CheckConstraint(
                name="membership_role_is_known",
                condition=Q(role__in=["labeler", "reviewer", "manager"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} in {self.campaign}"
