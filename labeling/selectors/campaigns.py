from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from labeling import statistics
from labeling.models import (
    Assignment,
    Campaign,
    Comparison,
    DemonstrationSlot,
    DiscardedPair,
    Judgment,
    Membership,
    Report,
    User,
)
from labeling.selectors.assignments import count_claimable, held_by
from labeling.selectors.demonstrations import (
    prompts_claimable_by,
    prompts_held_by,
    writing,
)
from labeling.selectors.judgments import current_judgments
from labeling.selectors.reports import latest_report
from labeling.selectors.tallies import answers_given, asked

COUNTED_AT_ONCE = 2_000  # answers that a page may read one by one


@dataclass(frozen=True)
class Progress:
    """Where a campaign stands, counted from its rows."""

    comparisons: int  # pairs judged by themselves, groups put in order, or prompts to answer
    complete: int  # comparisons whose every slot is answered
    wanted: int  # answers: one a slot
    answered: int
    leased: int  # slots that a labeler has open now
    skipped: int  # times a labeler passed a pair on
    stuck: int  # comparisons that lack an opinion and have no labeler left who could give it
    imported: int  # judgments that came from files
    identical: int  # pairs that never became comparisons
    empty: int

    @property
    def share(self) -> float:
        return self.answered / self.wanted if self.wanted else 0.0


def progress(campaign: Campaign) -> Progress:
    if campaign.kind == Campaign.Kind.DEMONSTRATION:
        return _progress_of_writing(campaign)
    given, found = answers_given(campaign), asked(campaign)
    # Whoever holds a slot has a lease: so PostgreSQL walks what is held, not all that is open.
    leased = Assignment.objects.filter(
        campaign=campaign,
        answered_at__isnull=True,
        leased_until__isnull=False,
        purpose=Assignment.Purpose.DATA,
    ).count()
    discarded = dict(
        DiscardedPair.objects.filter(campaign=campaign)
        .values_list("reason")
        .annotate(Count("id"))
        .order_by()
    )
    return Progress(
        comparisons=found.comparisons + found.from_files,  # of files nothing is asked
        complete=found.complete,
        wanted=given + found.open,
        answered=given,
        leased=leased,
        skipped=found.skips,
        stuck=stuck_comparisons(campaign).count() if found.skips else 0,
        imported=found.imported,
        identical=discarded.get(DiscardedPair.Reason.IDENTICAL, 0),
        empty=discarded.get(DiscardedPair.Reason.EMPTY, 0),
    )


def _progress_of_writing(campaign: Campaign) -> Progress:
    """The same of a campaign of demonstrations, where prompts stand for comparisons."""
    standing = writing(campaign)
    prompts = DemonstrationSlot.objects.filter(campaign=campaign).aggregate(
        wanted=Count("prompt", distinct=True),
        open=Count("prompt", filter=Q(answered_at__isnull=True), distinct=True),
    )
    return Progress(
        comparisons=prompts["wanted"],
        complete=prompts["wanted"] - prompts["open"],
        wanted=standing.wanted,
        answered=standing.written,
        leased=standing.leased,
        skipped=standing.skipped,
        stuck=0,
        imported=standing.imported,
        identical=0,
        empty=0,
    )


def stuck_comparisons(campaign: Campaign) -> QuerySet[Comparison]:
    """Comparisons with a free slot that every labeler of the campaign has skipped or judged.

    Only skips bring this about: a campaign does not open with fewer members than opinions wanted.
    """
    labelers = campaign.memberships.filter(role=Membership.Role.LABELER).values("user")
    free = Assignment.objects.filter(
        comparison=OuterRef("pk"),
        answered_at__isnull=True,
        labeler__isnull=True,
        purpose=Assignment.Purpose.DATA,
    )
    by = Q(skips__labeler__in=labelers)
    had = Q(assignments__labeler__in=labelers)
    return (
        Comparison.objects.filter(
            Exists(free), tally__campaign=campaign, tally__skips__gt=0, tally__open__gt=0
        )
        .annotate(
            skippers=Count("skips__labeler", filter=by, distinct=True),
            judges=Count("assignments__labeler", filter=had, distinct=True),
        )
        .filter(skippers__gte=labelers.count() - F("judges"))  # nobody both skips and judges a pair
    )


def campaigns_with_work(labeler: User) -> QuerySet[Campaign]:
    """Open campaigns this labeler takes part in, what managers put first before the others."""
    return Campaign.objects.filter(status=Campaign.Status.OPEN, memberships__user=labeler).order_by(
        "-priority", "id"
    )


def first_with_work(labeler: User, now: datetime) -> Campaign | None:
    """The campaign whose pair this labeler gets next; None where no pair waits anywhere."""
    for campaign in campaigns_with_work(labeler):
        if campaign.is_over(now):
            continue
        if campaign.kind == Campaign.Kind.CHAT or waiting_for(labeler, campaign, now, 1):
            return campaign
    return None


def waiting_for(labeler: User, campaign: Campaign, now: datetime, up_to: int) -> int:
    """Pairs or prompts that this labeler holds or may take, the latter counted no further."""
    if campaign.kind == Campaign.Kind.DEMONSTRATION:
        free = prompts_claimable_by(labeler, campaign, now)[:up_to].count()
        return free + prompts_held_by(labeler, campaign).count()
    free = count_claimable(labeler, campaign, now, up_to)
    return free + held_by(labeler, campaign).count()


def agreement_shown(campaign: Campaign) -> statistics.Share | None:
    """How often two people chose the same: counted now, or once there are many as last computed.

    None without a pair judged twice, and with many judgments while no report was ever computed.
    """
    if answers_given(campaign) <= COUNTED_AT_ONCE:
        return agreement(campaign)
    report = latest_report(campaign, Report.Subject.AGREEMENT, Judgment.JudgeKind.PERSON)
    found = report.figures["whole"]["percent"] if report else {}
    if found.get("low") is None:
        return None
    return statistics.Share(found["value"], found["low"], found["high"], found["items"])


def agreement(campaign: Campaign) -> statistics.Share | None:
    """How often two people who judged the same pair chose the same; None without such a pair.

    Chosen are: first, second, or one of the equal answers. Strength is left out. Reads every
    judgment.
    """
    answers: dict[int, list[str]] = {}
    for comparison, preference, equal in current_judgments(campaign).values_list(
        "comparison", "preference", "equal"
    ):
        choice = equal or ("first" if preference < 0 else "second")
        answers.setdefault(comparison, []).append(choice)
    return statistics.pairwise_agreement(answers.values())
