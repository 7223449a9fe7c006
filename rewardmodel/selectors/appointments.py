"""Which reward model a campaign uses, and whether a new one may take its place."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from labeling.models import Campaign
from labeling.selectors.tallies import judged_comparisons
from labeling.statistics import PairedDifference, paired_difference
from rewardmodel.models import Appointment, RewardModel

SURE = 0.05  # a difference that equals would show less often than this is believed


def current_reward_model(campaign: Campaign) -> RewardModel | None:
    """The one that was appointed last; None while there is none."""
    newest = (
        Appointment.objects.filter(campaign=campaign)
        .select_related("reward_model__snapshot", "reward_model__base")
        .first()
    )
    return newest.reward_model if newest else None


def current_ones() -> set[int]:
    """The current models of all campaigns, by key."""
    newest = Appointment.objects.order_by("campaign_id", "-id").distinct("campaign_id")
    return set(newest.values_list("reward_model", flat=True))


def active_reward_models(campaign: Campaign) -> QuerySet[RewardModel]:
    return RewardModel.objects.filter(
        snapshot__campaign=campaign,
        status__in=[RewardModel.Status.QUEUED, RewardModel.Status.RUNNING],
    )


def labels_since_training(campaign: Campaign, kinds: Sequence[str]) -> int:
    """Judged comparisons that the newest reward model, finished or not, has not seen."""
    newest = RewardModel.objects.filter(snapshot__campaign=campaign, learns_held_out=False)
    run = newest.select_related("snapshot").first()
    seen = run.snapshot.train_pairs + run.snapshot.test_pairs if run else 0
    return max(0, judged_comparisons(campaign, list(kinds)) - seen)


@dataclass(frozen=True)
class Trial:
    """A finished model beside the one that was current when its training began."""

    other: int  # key of that one
    both_right: int
    only_new: int
    only_other: int
    neither: int

    @property
    def difference(self) -> PairedDifference | None:
        """Of the accuracies, on the held-out pairs of the new model's snapshot."""
        pairs = self.both_right + self.only_new + self.only_other + self.neither
        return paired_difference(self.only_new, self.only_other, pairs)

    @property
    def worse(self) -> bool:
        """Whether the test shows the new model to be worse: not merely that it can't tell."""
        found = self.difference
        return found is not None and found.value < 0 and found.p < SURE


def trial_of(run: RewardModel) -> Trial | None:
    """What a finished run measured beside the model in use; None where there was none."""
    found = run.figures.get("beside")
    if not found:
        return None
    counts = {name: found[name] for name in ("both_right", "only_new", "only_other", "neither")}
    return Trial(other=found["reward_model"], **counts)
