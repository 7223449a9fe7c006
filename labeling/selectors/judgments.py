from collections.abc import Iterable

from django.db.models import QuerySet

from labeling.models import Campaign, Judgment, User


def current_judgments(
    campaign: Campaign, kinds: Iterable[str] = (Judgment.JudgeKind.PERSON,)
) -> QuerySet[Judgment]:
    """Answers that stand: neither superseded nor taken back, by these kinds of judge."""
    return Judgment.objects.filter(
        comparison__campaign=campaign,
        superseded_by__isnull=True,
        retracted=False,
        judge_kind__in=list(kinds),
    )


def standing_answers_of(labeler: User) -> QuerySet[Judgment]:
    """This labeler's own answers that stand, newest first by when the pair was answered."""
    return Judgment.objects.filter(
        labeler=labeler, assignment__isnull=False, superseded_by__isnull=True, retracted=False
    ).order_by("-assignment__answered_at", "-id")
