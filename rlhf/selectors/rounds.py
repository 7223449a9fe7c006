from dataclasses import dataclass

from labeling import statistics
from labeling.models import Assignment, Campaign, Judgment, Policy
from labeling.selectors.judgments import current_judgments
from labeling.selectors.tallies import judged_comparisons
from rewardmodel.models import RewardModel
from rlhf.models import Round


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
    """Whether a round's policy may be promoted without a person, and the reason in one line."""

    promote: bool
    reason: str


def verdict(round: Round, share: statistics.Share) -> Verdict:
    """The gate, which asks three things that fail apart from each other.

    A judge no better than its baselines can be pleased without any gain, so its reward says
    nothing; a reward within its standard error is noise; and what pleases the judge may not
    please people, so the whole interval of the blind comparison must lie above one half.
    """
    ahead = beats_baselines_by(round.reward_model) if round.reward_model else None
    figures = round.policy_run.figures if round.policy_run else {}
    gain, noise = figures.get("reward_gain"), figures.get("reward_gain_se")
    won = f"win rate {share.value:.0%} (95 % interval {share.low:.0%} to {share.high:.0%})"
    against = []
    if ahead is None or ahead <= 0:
        against.append("the reward model does not beat its baselines")
    if gain is None or noise is None or gain <= noise:
        against.append("the reward did not rise by more than its standard error")
    if share.low <= 0.5:
        against.append("the win rate cannot be told from one half")
    return Verdict(not against, f"{won}; {'; '.join(against)}" if against else won)
