"""Choosing which of a prompt's possible pairs labelers get, by what the reward model makes of them.

Some prompts are always left to chance. Their pairs are scored as well, so that both can be
compared later.
"""

import json
import logging
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, product
from math import exp
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from labeling.models import (
    Campaign,
    Comparison,
    DiscardedPair,
    PairChoice,
    PairRule,
    Prompt,
    Response,
)
from labeling.services.comparisons import create_comparisons, discard_reason
from rewardmodel.learning.rundirectory import write_rows
from rewardmodel.models import RewardModel
from rlhf.models import ResponseRequest
from rlhf.selectors.pair_choices import judge_of

logger = logging.getLogger(__name__)

Status = ResponseRequest.Status
PROMPTS_AT_ONCE = 100
LEASE = timedelta(minutes=30)  # longer than scoring so many takes

Pair = tuple[Response, Response]
# By how much each head prefers the first response of each pair, in log-odds.
Leads = Callable[[RewardModel, Sequence[Pair]], list[list[float]]]


@dataclass(frozen=True)
class Candidate:
    """A pair that could be asked, and what the reward model says about it."""

    pair: Pair
    disagreement: float | None = None
    chance: float | None = None


def candidates(answered: Sequence[ResponseRequest]) -> Iterator[Pair]:
    """Every pair of a prompt's responses that may meet: the sides of its line, or else policies."""
    said = [request for request in answered if request.response is not None]
    several = len({request.policy_id for request in said}) > 1
    planned = any(request.meeting_id is not None for request in said)
    if planned:
        ones, others = ([r for r in said if r.side == side] for side in (0, 1))
        meetings: Iterator[tuple[ResponseRequest, ResponseRequest]] = product(ones, others)
    else:
        meetings = combinations(said, 2)
    for one, other in meetings:
        assert one.response is not None
        assert other.response is not None
        if not planned and several and one.policy_id == other.policy_id:
            continue
        if discard_reason(one.response.text, other.response.text) is None:
            yield one.response, other.response


def choose_pending(*, now: datetime, leads: Leads | None = None) -> int:
    """Choose among the pairs that wait for a reward model; returns how many became pairs."""
    made = 0
    for campaign in Campaign.objects.filter(
        pair_choice=PairRule.UNCERTAINTY, status__in=["draft", "open", "paused"]
    ):
        judge = judge_of(campaign)
        if judge is not None and (prompts := _claim(campaign, now)):
            made += _choose(campaign, judge, prompts, leads or leads_by_program)
    return made


@transaction.atomic
def _claim(campaign: Campaign, now: datetime) -> list[Prompt]:
    """Prompts whose responses are all there, leased, so that two workers never score the same."""
    waiting = ResponseRequest.objects.filter(
        campaign=OuterRef("campaign"), prompt=OuterRef("prompt"), status=Status.QUEUED
    )
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    complete = (
        ResponseRequest.objects.filter(free, ~Exists(waiting), campaign=campaign, paired=False)
        .exclude(status=Status.QUEUED)
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("prompt_id", "id")
    )
    prompts: dict[int, None] = {}
    claimed = []
    for request in complete:
        if request.prompt_id not in prompts and len(prompts) == PROMPTS_AT_ONCE:
            break
        prompts[request.prompt_id] = None
        claimed.append(request.pk)
    ResponseRequest.objects.filter(pk__in=claimed).update(leased_until=now + LEASE)
    return list(Prompt.objects.filter(pk__in=prompts))


def _choose(campaign: Campaign, judge: RewardModel, prompts: Sequence[Prompt], leads: Leads) -> int:
    """Score what could be asked on these prompts, then ask the best of it."""
    by_prompt = answered_requests(campaign, prompts)
    possible = [pair for answered in by_prompt.values() for pair in candidates(answered)]
    scored = dict(zip(possible, leads(judge, possible), strict=True)) if possible else {}
    return settle(campaign, by_prompt, {pair: _judged(pair, said) for pair, said in scored.items()})


def answered_requests(
    campaign: Campaign, prompts: Sequence[Prompt]
) -> dict[int, list[ResponseRequest]]:
    """What came of the requests on these prompts that are not paired yet, by prompt."""
    requests = (
        ResponseRequest.objects.filter(campaign=campaign, prompt__in=prompts, paired=False)
        .exclude(status=Status.QUEUED)
        .select_related("response", "response__prompt", "prompt")
        .order_by("prompt_id", "policy_id", "number")
    )
    by_prompt: dict[int, list[ResponseRequest]] = {}
    for request in requests:
        by_prompt.setdefault(request.prompt_id, []).append(request)
    return by_prompt


@transaction.atomic
def settle(
    campaign: Campaign,
    by_prompt: dict[int, list[ResponseRequest]],
    judged: dict[Pair, Candidate],
    chance: random.Random | None = None,
) -> int:
    """Put the chosen pairs of each prompt before the labelers, and say by which arm they came.

    Pairs that were not judged are chosen by chance alone.
    """
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    chance = chance or random.SystemRandom()
    chosen: list[tuple[Candidate, str]] = []
    for answered in by_prompt.values():
        pairs = list(candidates(answered))
        if not pairs:
            _count_as_discarded(campaign, answered)
        arm, best = choose(
            [judged.get(pair) or Candidate(pair) for pair in pairs],
            campaign.chosen_pairs,
            campaign.control_share,
            chance,
        )
        chosen += [(candidate, arm) for candidate in best]
    made = create_comparisons(campaign=campaign, pairs=[c.pair for c, _arm in chosen])
    _note_arms(made, chosen)
    done = [request.pk for answered in by_prompt.values() for request in answered]
    ResponseRequest.objects.filter(pk__in=done).update(paired=True, leased_until=None)
    return len(made)


def _count_as_discarded(campaign: Campaign, answered: Sequence[ResponseRequest]) -> None:
    """Of a prompt whose responses make no pair."""
    empty = any(request.response is None for request in answered)
    DiscardedPair.objects.create(
        campaign=campaign,
        prompt=answered[0].prompt,
        reason=DiscardedPair.Reason.EMPTY if empty else DiscardedPair.Reason.IDENTICAL,
    )


def _note_arms(made: Sequence[Comparison], chosen: Sequence[tuple[Candidate, str]]) -> None:
    """Say of each new pair by which arm it came, and what the reward model thought of it."""
    by_pair = {(comparison.first_id, comparison.second_id): comparison for comparison in made}
    PairChoice.objects.bulk_create(
        PairChoice(
            comparison=by_pair[candidate.pair[0].pk, candidate.pair[1].pk],
            arm=arm,
            disagreement=candidate.disagreement,
            chance=candidate.chance,
        )
        for candidate, arm in chosen
        if (candidate.pair[0].pk, candidate.pair[1].pk) in by_pair
    )


def choose(
    possible: Sequence[Candidate], count: int, control_share: float, chance: random.Random
) -> tuple[str, list[Candidate]]:
    """The arm of a prompt, and which of its pairs to ask: those the heads differ about most.

    The coin of the control falls for the whole prompt, and before anything is looked at.
    """
    control = chance.random() < control_share
    if control or any(candidate.disagreement is None for candidate in possible):
        return PairRule.RANDOM, chance.sample(list(possible), min(count, len(possible)))
    order = sorted(possible, key=lambda candidate: -(candidate.disagreement or 0.0))
    return PairRule.UNCERTAINTY, order[:count]


def _judged(pair: Pair, leads: Sequence[float]) -> Candidate:
    lead = max(-50.0, min(50.0, statistics.fmean(leads)))
    return Candidate(pair, statistics.stdev(leads), 1 / (1 + exp(-lead)))


def leads_by_program(judge: RewardModel, pairs: Sequence[Pair]) -> list[list[float]]:
    """Ask the reward model in a process of its own: this worker never loads torch."""
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder) / "pairs.jsonl", Path(folder) / "leads.jsonl"
        write_rows(
            asked,
            (
                {"prompt": first.prompt.messages, "responses": [first.text, second.text]}
                for first, second in pairs
            ),
        )
        command = [sys.executable, "manage.py", "score", str(judge.pk), "--pairs"]
        subprocess.run(
            [*command, "--input", str(asked), "--output", str(told)],
            cwd=settings.ROOT,
            check=True,
            timeout=LEASE.total_seconds() / 2,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        with told.open(encoding="utf-8") as file:
            return [json.loads(line)["leads"] for line in file]
