from collections.abc import Iterable

from django.db.models import QuerySet

from labeling.models import Campaign, Judgment


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
