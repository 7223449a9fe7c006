from dataclasses import dataclass

from django.db.models import QuerySet

from labeling.models import DemonstrationSnapshot, Policy, Snapshot, Withdrawal
from labeling.selectors.withdrawals import (
    demonstration_snapshots_touched_by,
    snapshots_touched_by,
)
from rewardmodel.models import RewardModel


@dataclass(frozen=True)
class Touched:
    """Where data that was withdrawn afterwards went: lineage, forwards."""

    withdrawal: Withdrawal
    snapshots: list[Snapshot]
    demonstration_snapshots: list[DemonstrationSnapshot]
    reward_models: list[RewardModel]
    policies: list[Policy]  # trained from these, or descended from one that was


def touched_by(withdrawal: Withdrawal) -> Touched:
    snapshots = list(snapshots_touched_by(withdrawal))
    written = list(demonstration_snapshots_touched_by(withdrawal))
    models = list(RewardModel.objects.filter(snapshot__in=snapshots).order_by("id"))
    direct = Policy.objects.filter(made_by__reward_model__in=models) | Policy.objects.filter(
        taught_by__snapshot__in=written
    )
    return Touched(withdrawal, snapshots, written, models, _with_descendants(direct))


def _with_descendants(policies: QuerySet[Policy]) -> list[Policy]:
    found: dict[int, Policy] = {}
    generation = list(policies)
    while generation:
        found |= {policy.pk: policy for policy in generation}
        generation = list(Policy.objects.filter(parent__in=generation).exclude(pk__in=found))
    return sorted(found.values(), key=lambda policy: policy.pk)
