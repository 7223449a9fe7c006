from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

from labeling import errors
from labeling.models import Act, Campaign, Policy, User
from labeling.services import audit
from labeling.services.campaigns import change_status
from labeling.services.snapshots import take_snapshot
from labeling.splits import split_of
from rewardmodel.models import RewardModel
from rewardmodel.selectors.appointments import trial_of
from rewardmodel.selectors.held_out import taught_what_it_holds_out
from rewardmodel.services import reward_models
from rewardmodel.services.reward_models import start_reward_model, train_held_out
from rlhf.models import PolicyRun, Round
from rlhf.sayings import OF_ROUND
from rlhf.selectors.policies import campaign_line, current_policy
from rlhf.selectors.rounds import (
    beats_baselines_by,
    duel_result,
    judge_kinds,
    new_comparisons,
    open_round,
    verdict,
)
from rlhf.services.duels import open_duel
from rlhf.services.policies import promote
from rlhf.services.policy_runs import start_policy_run


@transaction.atomic
def begin_round(*, campaign: Campaign, by: User | None = None) -> Round:
    """The campaign's open round, made when there is none."""
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    current = open_round(campaign)
    if current is not None:
        return current
    number = Round.objects.filter(campaign=campaign).aggregate(last=Max("number"))["last"] or 0
    round = Round.objects.create(campaign=campaign, number=number + 1)
    audit.record(actor=by, act=Act.ROUND_BEGUN, subject=round)
    return round


# The steps, each by hand or by a trigger ---------------------------------------------------------


@transaction.atomic
def train_judge(
    *,
    round: Round,
    by: User | None,
    base: Policy | None = None,
    config: dict[str, Any] | None = None,
) -> RewardModel:
    """Collect -> reward model: freeze the answers, train a reward model on them.

    Its trunk starts from the weights of `base`, or else of the current policy.
    """
    round = _locked(round)
    if round.policy_run_id:
        raise errors.NotReady(_("This round has its reward model and is past it."))
    if round.reward_model is not None and round.reward_model.is_active:
        raise errors.NotReady(_("A reward model is being trained; cancel it first."))
    base = base or _start_of_training(round.campaign)
    snapshot = take_snapshot(campaign=round.campaign, kinds=judge_kinds(round.campaign), by=by)
    run = start_reward_model(snapshot=snapshot, base=base, by=by, config=config)
    round.snapshot, round.reward_model = snapshot, run
    round.save(update_fields=["snapshot", "reward_model"])
    return run


@transaction.atomic
def train_checking_model(*, round: Round, by: User | None) -> RewardModel | None:
    """The model that is to check what follows the round's judge; asked for where there is none.

    It learns the labels that the judge left for tests. None where those are too few.
    """
    round = _locked(round)
    if round.reward_model is None:
        raise errors.NotReady(_("This round has no reward model yet; train one first."))
    made = taught_what_it_holds_out(round.reward_model)
    if made is not None:
        return made
    try:
        return train_held_out(of=round.reward_model, by=by)
    except errors.TooFewPairs:
        return None


@transaction.atomic
def train_policy(
    *,
    round: Round,
    by: User | None,
    parent: Policy | None = None,
    held_out_model: RewardModel | None = None,
    config: dict[str, Any] | None = None,
) -> PolicyRun:
    """Reward model -> policy: PPO from `parent`, its start and reference, or the current policy.

    See `start_policy_run` for `held_out_model`.
    """
    round = _locked(round)
    if round.reward_model is None:
        raise errors.NotReady(_("This round has no reward model yet; train one first."))
    if round.duel_id or (round.policy_run is not None and round.policy_run.is_active):
        raise errors.NotReady(_("This round has its PPO run already."))
    run = start_policy_run(
        campaign=round.campaign,
        parent=parent or _start_of_training(round.campaign),
        reward_model=round.reward_model,
        by=by,
        held_out_model=held_out_model,
        config=config,
    )
    round.policy_run = run
    round.save(update_fields=["policy_run"])
    return run


@transaction.atomic
def start_duel(*, round: Round, by: User | None) -> Campaign:
    """Policy -> compare: the new policy meets its parent, blind, on held-out prompts."""
    round = _locked(round)
    run = round.policy_run
    if run is None or run.policy is None:
        raise errors.NotReady(_("The PPO run has made no policy yet; wait until it has."))
    if round.duel is not None:
        return round.duel
    campaign = round.campaign
    round.duel = duel = open_duel(
        name=f"{campaign.name[:90]}, round {round.number}",
        like=campaign,
        policy=run.policy,
        parent=run.parent,
        prompts=[p for p in campaign.prompts.order_by("id") if split_of(p.digest) == "test"],
        by=by,
    )
    round.save(update_fields=["duel"])
    return duel


@transaction.atomic
def decide(*, round: Round, decision: str, reason: str, by: User | None, now: datetime) -> Round:
    """Compare -> decided: promote the new policy, or roll back to its parent."""
    round = _locked(round)
    if round.decision:
        raise errors.NotReady(_("This round is decided already."))
    new = round.policy_run.policy if round.policy_run else None
    if new is None and decision != Round.Decision.ABANDONED:
        raise errors.NotReady(_("This round has made no policy yet that could be decided on."))
    round.decision, round.reason, round.decided_by, round.decided_at = decision, reason, by, now
    round.save(update_fields=["decision", "reason", "decided_by", "decided_at"])
    audit.record(
        actor=by,
        act=Act.ROUND_DECIDED,
        subject=round,
        details={"decision": str(decision), "reason": reason},
    )
    if round.duel is not None and round.duel.status != Campaign.Status.CLOSED:
        change_status(campaign=round.duel, to=Campaign.Status.CLOSED, by=by)
    if decision == Round.Decision.PROMOTED:
        assert new is not None
        of = OF_ROUND(number=round.number, campaign=round.campaign)
        promote(policy=new, reason=f"{of} {reason}"[:300], by=by)
        _enter(round.campaign, new)
    return round


def _enter(campaign: Campaign, policy: Policy) -> None:
    """From now on the campaign's questions are answered by this version of its line."""
    old = campaign.entrants.filter(policy__name=policy.name).order_by("id").first()
    if old is not None:
        old.policy = policy
        old.save(update_fields=["policy"])


# The triggers ------------------------------------------------------------------------------------


def advance(*, round: Round, now: datetime) -> None:
    """Take the next step of a round if the campaign's triggers say so. Safe to call any time."""
    campaign = round.campaign
    if round.stage == Round.Stage.COLLECT:
        after = campaign.reward_model_after
        if after is not None and new_comparisons(campaign) >= after:
            train_judge(round=round, by=None)
    elif round.stage == Round.Stage.REWARD_MODEL:
        if _may_be_followed(round):
            checking = train_checking_model(round=round, by=None)
            if checking is None or not checking.is_active:  # what failed is not waited for
                train_policy(round=round, by=None)
    elif round.stage == Round.Stage.POLICY:
        if round.policy_run and round.policy_run.policy_id:
            start_duel(round=round, by=None)
    elif round.stage == Round.Stage.COMPARE and not campaign.approval_required:
        decide_by_gate(round=round, now=now)


def _may_be_followed(round: Round) -> bool:
    """Whether the round's judge is good enough for PPO to start by itself."""
    margin, judge = round.campaign.policy_margin, round.reward_model
    if margin is None or judge is None:
        return False
    trial, ahead = trial_of(judge), beats_baselines_by(judge)
    if trial is not None and trial.worse:
        return False  # the gate kept the judge before; a person may still go on with this one
    return ahead is not None and ahead >= margin


def waiting_for_labels() -> QuerySet[Campaign]:
    """Open campaigns with a trigger and a reward model, but those whose round trains the next."""
    trained = RewardModel.objects.values("snapshot__campaign")
    collecting = Round.objects.filter(decision="", reward_model__isnull=True).values("campaign")
    return Campaign.objects.filter(
        pk__in=trained, status=Campaign.Status.OPEN, reward_model_after__isnull=False
    ).exclude(pk__in=collecting)


def retrain(*, campaign: Campaign) -> RewardModel | None:
    """Train a new reward model if the campaign has had enough labels since the newest one."""
    return reward_models.retrain(
        campaign=campaign, base=_start_of_training(campaign), kinds=judge_kinds(campaign)
    )


@transaction.atomic
def decide_by_gate(*, round: Round, now: datetime) -> bool | None:
    """Decide without a person, once every pair of the duel is judged; None while some are not."""
    result = duel_result(round)
    if result is None or result.share is None or result.unanswered:
        return None
    found = verdict(round, result.share)
    decide(
        round=round,
        decision=Round.Decision.PROMOTED if found.promote else Round.Decision.ROLLED_BACK,
        reason=found.reason,
        by=None,
        now=now,
    )
    return found.promote


def _locked(round: Round) -> Round:
    """Two steps of one round never run at once."""
    Round.objects.select_for_update().get(pk=round.pk)
    return Round.objects.select_related(
        "campaign", "reward_model", "policy_run__policy", "policy_run__parent", "duel"
    ).get(pk=round.pk)


def _start_of_training(campaign: Campaign) -> Policy:
    """The current policy of the campaign's line."""
    line = campaign_line(campaign)
    current = current_policy(line) if line else None
    if current is None:
        raise errors.NotReady(_("The campaign has no policy with weights; add one first."))
    return current
