from collections.abc import Iterable

from django.db.models import QuerySet

from labeling.models import Assignment, Campaign, Hold, Judgment, User


def kinds_asked_for(*, simulated: bool, ai: bool) -> list[str]:
    """Kinds of judges (and of authors): people always, others only where somebody asks for them."""
    kinds = [Judgment.JudgeKind.PERSON.value]
    kinds += [Judgment.JudgeKind.SIMULATION.value] if simulated else []
    kinds += [Judgment.JudgeKind.AI.value] if ai else []
    return kinds


def current_judgments(
    campaign: Campaign,
    kinds: Iterable[str] = (Judgment.JudgeKind.PERSON,),
    purposes: Iterable[str] = (Assignment.Purpose.DATA,),
) -> QuerySet[Judgment]:
    """A campaign's data: answers that stand, by these kinds of judge.

    Neither superseded, taken back nor withdrawn; no answer to gold and no mirrored repeat, which
    say something about the labeler and nothing new about the pair; none of labelers whose judgments
    are held back (quarantine, probation); and no reviewer's decision, unless it is asked for.
    """
    held = Hold.objects.filter(campaign=campaign, lifted_at__isnull=True).values("labeler")
    return standing_judgments(campaign, kinds, purposes).exclude(labeler__in=held)


def standing_judgments(
    campaign: Campaign,
    kinds: Iterable[str],
    purposes: Iterable[str] = (Assignment.Purpose.DATA,),
) -> QuerySet[Judgment]:
    """The same, those among them whose labelers' judgments are held back."""
    return Judgment.objects.filter(
        comparison__campaign=campaign,
        superseded_by__isnull=True,
        retracted=False,
        tombstone__isnull=True,
        judge_kind__in=list(kinds),
        purpose__in=list(purposes),
    )


def about_two_texts(judgments: QuerySet[Judgment]) -> QuerySet[Judgment]:
    """Of them those that something can be trained on: annotators judged empty responses too."""
    return judgments.exclude(comparison__first__text="").exclude(comparison__second__text="")


def with_what_was_judged(judgments: QuerySet[Judgment]) -> QuerySet[Judgment]:
    """The same, with prompts, responses and their policies at hand, to be read chunk by chunk.

    They are fetched by key for each chunk: joined, a cursor's plan hangs on the statistics of six
    tables, and where those were taken from empty tables, PostgreSQL reads each table once a row.
    """
    return judgments.prefetch_related(
        "comparison__prompt", "comparison__first__policy", "comparison__second__policy"
    )


def standing_answers_of(labeler: User) -> QuerySet[Judgment]:
    """This labeler's own answers that stand, newest first by when the pair was answered."""
    return Judgment.objects.filter(
        labeler=labeler, assignment__isnull=False, superseded_by__isnull=True, retracted=False
    ).order_by("-assignment__answered_at", "-id")
