"""Which responses a campaign's prompts need: of every policy, or of those that a plan lets meet."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from labeling.models import Campaign, CampaignPolicy, PairRule, PlannedMeeting, Prompt
from labeling.statistics.information import most_informative
from rlhf.models import ResponseRequest
from rlhf.selectors.pair_choices import known_meetings
from rlhf.selectors.pair_plans import plan_of, prompts_by_line

Line = TypeVar("Line")

SEEDS = 2**31


def requests_of_all(campaign: Campaign, prompts: Iterable[Prompt]) -> Iterator[ResponseRequest]:
    """Each policy's responses to each prompt."""
    entrants = list(campaign.entrants.all())
    for prompt in prompts:
        for entrant in entrants:
            for number in range(entrant.responses):
                yield _request(campaign, prompt, entrant, number, entrant.temperature)


def requests_by_plan(campaign: Campaign, prompts: Sequence[Prompt]) -> Iterator[ResponseRequest]:
    """For each prompt that was not asked yet, the responses of one line of the plan.

    The lines get their shares of all prompts exactly, to within one prompt, and in each category
    nearly so; which prompt goes to which line is left to chance.
    """
    asked = set(ResponseRequest.objects.filter(campaign=campaign).values_list("prompt", flat=True))
    chance = random.SystemRandom()
    fresh = [prompt for prompt in prompts if prompt.pk not in asked]
    chance.shuffle(fresh)
    fresh.sort(key=lambda prompt: prompt.category)
    for prompt, (line, arm) in zip(fresh, _lines(campaign, len(fresh), chance), strict=True):
        for request in _requests_of_line(campaign, prompt, line):
            request.arm = arm
            yield request


def _lines(
    campaign: Campaign, count: int, chance: random.Random
) -> list[tuple[PlannedMeeting, str]]:
    """The line of each of so many prompts, and by which arm it was chosen.

    Where the campaign asks what tells most about the ranking, the plan's shares hold for the
    prompts that are left to chance.
    """
    plan = plan_of(campaign)
    shares = {line: line.weight for line in plan}
    if campaign.pair_choice != PairRule.RANKING:
        return [(line, "") for line in take_turns(shares, prompts_by_line(campaign), count, chance)]
    control = sum(chance.random() < campaign.control_share for _ in range(count))
    by_chance = take_turns(shares, prompts_by_line(campaign, PairRule.RANDOM), control, chance)
    met, places, players = known_meetings(campaign, plan)
    told = most_informative(places, met, players, count - control, campaign.overlap)
    lines = [
        *((line, str(PairRule.RANDOM)) for line in by_chance),
        *((plan[place], str(PairRule.RANKING)) for place in told),
    ]
    chance.shuffle(lines)
    return lines


def take_turns(
    weights: Mapping[Line, float],
    before: Mapping[Line, int],
    count: int,
    chance: random.Random | None = None,
) -> list[Line]:
    """Whose turn it is, so many times: always whoever lags most behind its share.

    Args:
        weights: what the shares are in proportion to.
        before: how many turns each had already.
        chance: decides between those who lag equally.
    """
    chance = chance or random.Random(0)
    had = Counter({line: before.get(line, 0) for line in weights})
    whole = sum(weights.values())
    turns = []
    for _ in range(count):
        total = had.total() + 1
        next_one = max(
            weights,
            key=lambda line: (weights[line] / whole * total - had[line], chance.random()),
        )
        had[next_one] += 1
        turns.append(next_one)
    return turns


def _requests_of_line(
    campaign: Campaign, prompt: Prompt, line: PlannedMeeting
) -> Iterator[ResponseRequest]:
    own = line.one_id == line.other_id
    for side, (entrant, temperature) in enumerate(
        zip((line.one, line.other), line.temperatures, strict=True)
    ):
        first = side * line.pairs if own else 0  # a policy's responses to a prompt are numbered
        for number in range(first, first + line.pairs):
            request = _request(campaign, prompt, entrant, number, temperature)
            request.meeting, request.side = line, side
            yield request


def _request(
    campaign: Campaign, prompt: Prompt, entrant: CampaignPolicy, number: int, temperature: float
) -> ResponseRequest:
    return ResponseRequest(
        campaign=campaign,
        prompt=prompt,
        policy_id=entrant.policy_id,
        number=number,
        sampling={
            "temperature": temperature,
            "top_p": entrant.top_p,
            "max_tokens": entrant.max_tokens,
            "seed": random.SystemRandom().randrange(SEEDS),
        },
    )
