from collections.abc import Sequence

from django.db.models import QuerySet

from labeling.models import (
    Campaign,
    Demonstration,
    DemonstrationSnapshot,
    Judgment,
    Policy,
    Snapshot,
    SnapshotJudgment,
)
from rlhf.models import Promotion


def current_policy(line: str) -> Policy | None:
    """The version of a line that is in use: the one promoted last."""
    newest = Promotion.objects.filter(policy__name=line).select_related("policy").first()
    return newest.policy if newest else None


def campaign_line(campaign: Campaign) -> str | None:
    """The line of policies a campaign improves: that of its first entrant."""
    entrant = campaign.entrants.select_related("policy").order_by("id").first()
    return entrant.policy.name if entrant else None


def with_ancestors(policy: Policy) -> list[Policy]:
    """A policy and where it comes from, the first of its line at the front."""
    line = [policy]
    while line[0].parent is not None:
        line.insert(0, line[0].parent)
    return line


def snapshots_behind(policy: Policy) -> QuerySet[Snapshot]:
    """The snapshots whose judgments shaped a policy, through all its ancestors."""
    return Snapshot.objects.filter(
        reward_models__policy_runs__policy__in=with_ancestors(policy)
    ).distinct()


def demonstration_snapshots_behind(policy: Policy) -> QuerySet[DemonstrationSnapshot]:
    """The snapshots whose demonstrations shaped a policy, through all its ancestors."""
    return DemonstrationSnapshot.objects.filter(
        sft_runs__policy__in=with_ancestors(policy)
    ).distinct()


def demonstrations_behind(policy: Policy) -> QuerySet[Demonstration]:
    """Every demonstration that shaped a policy: lineage, backwards."""
    return Demonstration.objects.filter(
        snapshots__in=demonstration_snapshots_behind(policy)
    ).distinct()


def policies_taught_by(demonstration: Demonstration) -> QuerySet[Policy]:
    """The policies made directly from snapshots that hold a demonstration: lineage, forwards."""
    return Policy.objects.filter(taught_by__snapshot__demonstrations=demonstration).distinct()


def judgments_behind(policy: Policy) -> QuerySet[Judgment]:
    """Every judgment that shaped a policy: lineage, backwards."""
    held = SnapshotJudgment.objects.filter(snapshot__in=snapshots_behind(policy))
    return Judgment.objects.filter(pk__in=held.values("judgment"))


def policies_shaped_by(judgments: Sequence[Judgment]) -> dict[int, list[Policy]]:
    """By judgment, the policies made directly from snapshots that hold it: lineage, forwards."""
    made = (
        SnapshotJudgment.objects.filter(
            judgment__in=judgments, snapshot__reward_models__policy_runs__policy__isnull=False
        )
        .values_list("judgment", "snapshot__reward_models__policy_runs__policy")
        .distinct()
        .order_by("snapshot__reward_models__policy_runs__policy")
    )
    policies = Policy.objects.in_bulk({policy for _, policy in made})
    shaped: dict[int, list[Policy]] = {}
    for judgment, policy in made:
        shaped.setdefault(judgment, []).append(policies[policy])
    return shaped
