from dataclasses import dataclass

from django.db.models import QuerySet

from labeling.models import (
    Demonstration,
    DemonstrationSnapshot,
    Judgment,
    Snapshot,
    User,
    Withdrawal,
)


@dataclass(frozen=True)
class Leaving:
    """What a withdrawal would take out of all later data, and where it stays."""

    judgments: QuerySet[Judgment]  # changed and taken back ones included
    demonstrations: QuerySet[Demonstration]

    @property
    def nothing(self) -> bool:
        return not (self.judgments.exists() or self.demonstrations.exists())

    @property
    def answers(self) -> int:
        """What was answered; what a ranking says about each two responses is one answer."""
        return self.judgments.filter(part_of__isnull=True).count()

    @property
    def snapshots(self) -> int:
        """How many frozen sets hold some of it; they stay."""
        return (
            Snapshot.objects.filter(judgments__in=self.judgments).distinct().count()
            + DemonstrationSnapshot.objects.filter(demonstrations__in=self.demonstrations)
            .distinct()
            .count()
        )


def what_would_leave(labeler: User) -> Leaving:
    """All that a labeler judged and wrote and has not withdrawn yet."""
    return Leaving(
        judgments=Judgment.objects.filter(labeler=labeler, tombstone__isnull=True),
        demonstrations=Demonstration.objects.filter(labeler=labeler, tombstone__isnull=True),
    )


def snapshots_touched_by(withdrawal: Withdrawal) -> QuerySet[Snapshot]:
    """Snapshots that hold judgments which were withdrawn afterwards."""
    return (
        Snapshot.objects.filter(judgments__tombstone__withdrawal=withdrawal)
        .select_related("campaign")
        .distinct()
    )


def demonstration_snapshots_touched_by(withdrawal: Withdrawal) -> QuerySet[DemonstrationSnapshot]:
    """The same of demonstrations."""
    return (
        DemonstrationSnapshot.objects.filter(demonstrations__tombstone__withdrawal=withdrawal)
        .select_related("campaign")
        .distinct()
    )
