"""Rounds: once around the loop, as steps with their figures and the button for each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling import errors
from labeling.access import require_engineer
from labeling.models import Policy
from labeling.requests import SignedIn, told
from labeling.selectors.campaigns import progress
from rewardmodel.runs import TrainingRun
from rewardmodel.selectors.held_out import taught_what_it_holds_out
from rewardmodel.services.reward_models import fewest_to_check
from rlhf.forms import DecisionForm, PPOForm, StartForm
from rlhf.models import Round
from rlhf.selectors.generations import generation_state
from rlhf.selectors.policies import campaign_line, current_policy
from rlhf.selectors.rounds import beats_baselines_by, duel_result, judged_and_new
from rlhf.selectors.win_rates import win_rates
from rlhf.services.rollout_servers import check_they_answer, named_servers
from rlhf.services.rounds import decide, start_duel, train_judge, train_policy

SHOWN = 50


@dataclass(frozen=True)
class Step:
    """One of the six steps, as the page shows it."""

    name: str
    state: str  # waiting, current, done or failed
    sign: str
    facts: dict[str, Any] = field(default_factory=dict)


@login_required
@require_safe
def index(request: SignedIn) -> HttpResponse:
    require_engineer(request.user)
    rounds = Round.objects.select_related("campaign", "reward_model", "policy_run__policy")[:SHOWN]
    return render(request, "rlhf/rounds.html", {"rounds": rounds})


@login_required
@require_safe
def detail(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return render(request, "rlhf/round.html", shown(pk))


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return render(request, "rlhf/round.html#live", shown(pk))


@login_required
@require_POST
def judge(request: SignedIn, pk: int) -> HttpResponse:
    """Train the reward model, its trunk from the chosen policy."""
    return take_step(
        request,
        pk,
        lambda round: train_judge(round=round, by=request.user, base=start_of(request, round)),
    )


@login_required
@require_POST
def improve(request: SignedIn, pk: int) -> HttpResponse:
    """Run PPO from the chosen policy."""
    return take_step(
        request,
        pk,
        lambda round: train_policy(
            round=round,
            by=request.user,
            parent=start_of(request, round),
            **options_of(request, round),
        ),
    )


@login_required
@require_POST
def compare(request: SignedIn, pk: int) -> HttpResponse:
    return take_step(request, pk, lambda round: start_duel(round=round, by=request.user))


@login_required
@require_POST
def settle(request: SignedIn, pk: int) -> HttpResponse:
    """Promote, roll back or abandon."""
    require_engineer(request.user)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return render(request, "rlhf/round.html", {**shown(pk), "form": form}, status=422)
    return take_step(
        request,
        pk,
        lambda round: decide(round=round, by=request.user, now=timezone.now(), **form.cleaned_data),
    )


def start_of(request: SignedIn, round: Round) -> Policy | None:
    """The policy that was chosen to start from; None for the current one."""
    form = StartForm(request.POST, line=campaign_line(round.campaign))
    if not form.is_valid():
        raise errors.NotReady(_("That policy is no version of this campaign's line with weights."))
    return form.cleaned_data["policy"]


def options_of(request: SignedIn, round: Round) -> dict[str, Any]:
    """How PPO is to learn and by what it is checked, as far as anything was chosen."""
    form = PPOForm(request.POST, followed=round.reward_model)
    if not form.is_valid():
        first = next(iter(form.errors.values()))
        raise errors.Refused(" ".join(map(str, first)))
    config = form.config()
    if config.get("generator") == "server":
        servers = named_servers(config.get("server", ""))
        check_they_answer(servers)  # here, since what follows holds the round
        config["server"] = ",".join(servers)
    return {"held_out_model": form.cleaned_data["held_out_model"], "config": config}


def take_step(request: SignedIn, pk: int, step: Callable[[Round], object]) -> HttpResponse:
    require_engineer(request.user)
    with told(request):
        step(get_object_or_404(Round, pk=pk))
    return redirect("rlhf:round", pk)


def shown(pk: int) -> dict[str, Any]:
    found = get_object_or_404(
        Round.objects.select_related(
            "campaign",
            "snapshot",
            "reward_model__snapshot",
            "policy_run__policy",
            "policy_run__parent",
            "policy_run__held_out_model",
            "duel",
            "decided_by",
        ),
        pk=pk,
    )
    line = campaign_line(found.campaign)
    return {
        "round": found,
        "steps": steps_of(found),
        "form": DecisionForm(),
        "start_form": StartForm(line=line, auto_id="start-%s"),
        "ppo_form": PPOForm(followed=found.reward_model, auto_id="ppo-%s"),
        "current": current_policy(line) if line else None,
        "live": not found.decision,
    }


def steps_of(round: Round) -> list[Step]:
    campaign = round.campaign
    judged, fresh = judged_and_new(campaign)
    collect = {
        "judged": judged,
        "fresh": None if round.snapshot_id else fresh,
        "after": campaign.reward_model_after,
        "progress": progress(campaign),
    }
    lead = beats_baselines_by(round.reward_model) if round.reward_model else None
    policy = round.policy_run.policy if round.policy_run else None
    compare: dict[str, Any] = {
        "ready": policy is not None,
        "wins": win_rates(round.policy_run.figures) if round.policy_run else None,
    }
    if round.duel:
        compare |= {
            "result": duel_result(round),
            "generation": generation_state(round.duel),
            "progress": progress(round.duel),
        }
    raw: list[tuple[str, str, dict[str, Any]]] = [
        ("collect", "done" if round.snapshot_id else "current", collect),
        ("snapshot", "done" if round.snapshot_id else "waiting", {}),
        ("reward_model", _state_of(round.reward_model), {"lead": lead, **_checked_by(round)}),
        ("policy", _state_of(round.policy_run), {"policy": policy}),
        ("compare", _compare_state(round), compare),
        ("decide", "done" if round.decision else "waiting", {}),
    ]
    if not round.decision and round.duel_id:
        raw[-1] = ("decide", "current", {})
    return [
        Step(name, state, {"done": "✓", "failed": "✕"}.get(state, str(number)), facts)
        for number, (name, state, facts) in enumerate(raw, start=1)
    ]


def _checked_by(round: Round) -> dict[str, Any]:
    """The model taught to check what follows the round's judge, or how many labels one needs."""
    judge, run = round.reward_model, round.policy_run
    if judge is None or (run is not None and run.held_out_model_id):
        return {}
    checking, fewest = taught_what_it_holds_out(judge), fewest_to_check(judge)
    few = checking is None and judge.snapshot.test_pairs < fewest
    return {"checking": checking, "fewest_to_check": fewest if few else None}


def _state_of(run: TrainingRun | None) -> str:
    if run is None:
        return "waiting"
    if run.is_active:
        return "current"
    return "done" if run.status == TrainingRun.Status.SUCCEEDED else "failed"


def _compare_state(round: Round) -> str:
    if round.duel is None:
        return "waiting"
    result = duel_result(round)
    finished = result is not None and result.share is not None and not result.unanswered
    return "done" if finished or round.decision else "current"
