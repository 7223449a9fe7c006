from dataclasses import dataclass

from labeling import statistics
from labeling.models import Assignment, Campaign, Judgment, Policy
from labeling.selectors.judgments import current_judgments
from labeling.selectors.tallies import judged_comparisons
from rewardmodel.models import RewardModel
from rlhf.models import Round
from rlhf.sayings import (
    BY_THE_GATE,
    CHECKED,
    NO_BETTER_JUDGE,
    NOT_ABOVE_HALF,
    UNCHECKED,
    WITHIN_ERROR,
)
from rlhf.selectors.win_rates import win_rates


def open_round(campaign: Campaign) -> Round | None:
    return Round.objects.filter(campaign=campaign, decision="").first()


def judge_kinds(campaign: Campaign) -> list[str]:
    """Whose answers a round of this campaign learns from.

    Simulated labelers and people are never mixed unasked: simulations count only in a campaign
    whose labelers are all simulations.
    """
    labelers = campaign.memberships.filter(role="labeler")
    people = labelers.filter(user__kind="person").exists()
    simulations = labelers.filter(user__kind="simulation").exists()
    if simulations and not people:
        return [Judgment.JudgeKind.PERSON, Judgment.JudgeKind.SIMULATION]
    return [Judgment.JudgeKind.PERSON]


def judged_and_new(campaign: Campaign) -> tuple[int, int]:
    """Judged comparisons, and how many of them no earlier snapshot of a round has seen."""
    seen = (
        Round.objects.filter(campaign=campaign, snapshot__isnull=False)
        .order_by("-number")
        .values_list("snapshot__train_pairs", "snapshot__test_pairs")
        .first()
    )
    judged = judged_comparisons(campaign, judge_kinds(campaign))
    return judged, max(0, judged - sum(seen or ()))


def new_comparisons(campaign: Campaign) -> int:
    return judged_and_new(campaign)[1]


def beats_baselines_by(run: RewardModel) -> float | None:
    """Held-out accuracy above the best baseline; None until the run has figures."""
    figures = run.figures
    if "accuracy" not in figures:
        return None
    baselines = [value for name, value in figures.items() if name.endswith("_baseline")]
    return figures["accuracy"] - max(v for v in [0.5, *baselines] if v is not None)


@dataclass(frozen=True)
class Duel:
    """How the new policy does against its parent in the blind comparison."""

    wins: int
    losses: int
    ties: int
    unanswered: int
    share: statistics.Share | None  # of the new policy


def duel_result(round: Round) -> Duel | None:
    if round.duel is None or round.policy_run is None or round.policy_run.policy is None:
        return None
    return compared(round.duel, round.policy_run.policy)


def compared(duel: Campaign, new: Policy) -> Duel:
    """How a blind comparison stands, for the new one of its two policies."""
    wins = losses = ties = 0
    answers = current_judgments(duel, list(Judgment.JudgeKind)).values_list(
        "preference", "comparison__first__policy"
    )
    for preference, first in answers:
        towards_new = -preference if first == new.pk else preference
        wins += towards_new > 0
        losses += towards_new < 0
        ties += towards_new == 0
    unanswered = Assignment.objects.filter(
        comparison__campaign=duel, answered_at__isnull=True
    ).count()
    return Duel(wins, losses, ties, unanswered, statistics.win_share(wins, losses, ties))


@dataclass(frozen=True)
class Verdict:
    """Whether a round's policy may be promoted without a person."""

    promote: bool
    reason: str  # sayings


def verdict(round: Round, share: statistics.Share) -> Verdict:
    """The gate, which asks three things that fail apart from each other.

    A judge no better than its baselines can be pleased without any gain, so its reward says
    nothing; a reward within its standard error is noise; and what pleases the judge may not
    please people, so the whole interval of the blind comparison must lie above one half.
    """
    ahead = beats_baselines_by(round.reward_model) if round.reward_model else None
    figures = round.policy_run.figures if round.policy_run else {}
    gain, noise = figures.get("reward_gain"), figures.get("reward_gain_se")
    against = []
    if ahead is None or ahead <= 0:
        against.append(NO_BETTER_JUDGE())
    if gain is None or noise is None or gain <= noise:
        against.append(WITHIN_ERROR())
    if share.low <= 0.5:
        against.append(NOT_ABOVE_HALF())
    return Verdict(not against, " ".join([BY_THE_GATE(**_shown(share)), *against, _checked(round)]))


def _checked(round: Round) -> str:
    """What the reward model says of the policy that its run did not follow; the gate only tells."""
    run = round.policy_run
    found = win_rates(run.figures) if run else None
    if run is None or found is None or found.held_out is None:
        return UNCHECKED()
    return CHECKED(number=run.held_out_model_id, **_shown(found.held_out))


def _shown(share: statistics.Share) -> dict[str, str]:
    return {
        "share": f"{share.value:.0%}",
        "low": f"{share.low:.0%}",
        "high": f"{share.high:.0%}",
    }
