from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import combinations, groupby
from operator import attrgetter

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from labeling import errors
from labeling.models import (
    Act,
    Campaign,
    DiscardedPair,
    PairChoice,
    PairRule,
    Policy,
    Prompt,
    Response,
    User,
)
from labeling.models.rankings import FEWEST
from labeling.services import audit
from labeling.services.comparisons import create_comparisons
from labeling.services.demonstrations import want_demonstrations
from labeling.services.images import as_models_read
from labeling.services.rankings import create_groups
from rlhf.generation.persistence import ServerDown
from rlhf.generation.protocol import Generated, Sampling
from rlhf.generation.server import PolicyNotServed, VllmServers
from rlhf.models import ResponseRequest
from rlhf.sayings import REFUSED_PROMPT
from rlhf.selectors.pair_choices import waits_for_judge
from rlhf.selectors.pair_plans import plan_of
from rlhf.services.pair_choices import answered_requests, settle
from rlhf.services.wanted_responses import requests_by_plan, requests_of_all

Status = ResponseRequest.Status

BATCH = 128  # requests claimed at once: more than the servers answer in parallel
LEASE = timedelta(minutes=15)  # longer than a batch takes on a slow machine


@transaction.atomic
def request_responses(
    *, campaign: Campaign, prompts: Iterable[Prompt], by: User | None = None
) -> int:
    """Ask each policy of a campaign for its responses to these prompts; returns how many are new.

    The answers come later; asking again for the same prompts changes nothing. Where the campaign
    has a pair plan, each prompt is asked by one of its lines.

    Raises:
        TooFewToRank: the policies together give fewer than a ranking takes.
    """
    given = sum(campaign.entrants.values_list("responses", flat=True))
    if campaign.kind == Campaign.Kind.RANKING and given < FEWEST:
        raise errors.TooFewToRank
    prompts = list(prompts)
    campaign.prompts.add(*prompts)
    before = ResponseRequest.objects.filter(campaign=campaign).count()
    wanted = (
        requests_by_plan(campaign, prompts)
        if plan_of(campaign)
        else requests_of_all(campaign, prompts)
    )
    ResponseRequest.objects.bulk_create(wanted, ignore_conflicts=True, batch_size=1000)
    fresh = ResponseRequest.objects.filter(campaign=campaign).count() - before
    if fresh:
        audit.record(
            actor=by, act=Act.RESPONSES_REQUESTED, subject=campaign, details={"responses": fresh}
        )
    return fresh


def generate_pending(*, now: datetime) -> int:
    """Have the servers answer one batch of what is wanted; returns how many were answered.

    What a server that is down leaves unanswered stays queued, with the reason beside it.
    """
    servers = VllmServers(settings.VLLM_BASE_URLS, settings.VLLM_API_KEY, attempts=2)
    _pair_what_was_left()
    answered = 0
    for policy in _policies_wanted(now):
        batch = _claim(policy, now)
        try:
            answered += _generate(servers, policy, batch)
        except (ServerDown, PolicyNotServed) as problem:
            _give_back(batch, str(problem))
    return answered


def _unclaimed(now: datetime) -> Q:
    return Q(status=Status.QUEUED) & (Q(leased_until__isnull=True) | Q(leased_until__lte=now))


def _policies_wanted(now: datetime) -> list[Policy]:
    wanted = ResponseRequest.objects.filter(_unclaimed(now)).values("policy")
    return list(Policy.objects.filter(pk__in=wanted).order_by("id"))


@transaction.atomic
def _claim(policy: Policy, now: datetime) -> list[ResponseRequest]:
    """The next requests to one policy, leased, so that two workers never ask for the same."""
    batch = list(
        ResponseRequest.objects.filter(_unclaimed(now), policy=policy)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("prompt", "campaign")
        .order_by("id")[:BATCH]
    )
    ResponseRequest.objects.filter(pk__in=[request.pk for request in batch]).update(
        leased_until=now + LEASE
    )
    return batch


def _generate(servers: VllmServers, policy: Policy, batch: list[ResponseRequest]) -> int:
    if not batch:
        return 0

    def keep(position: int, answer: Generated) -> None:
        _store(batch[position], answer)
        _pair_if_complete(batch[position])

    answers = servers.generate(
        policy.slug,
        [as_models_read(request.prompt.messages) for request in batch],
        [Sampling(**request.sampling) for request in batch],
        on_result=keep,
    )
    return len(answers)


@transaction.atomic
def _store(request: ResponseRequest, answer: Generated) -> None:
    """Keep one answer. A policy that said nothing leaves a request without a response."""
    response = None
    if answer.text.strip():
        response = Response.objects.create(
            prompt=request.prompt,
            policy_id=request.policy_id,
            text=answer.text.replace("\x00", ""),  # Postgres has no place for it
            sampling=request.sampling,
            token_count=answer.token_count,
            finish_reason=answer.finish_reason,
        )
    refused = answer.finish_reason == "refused"
    ResponseRequest.objects.filter(pk=request.pk).update(
        response=response,
        status=Status.FAILED if refused else Status.DONE,
        error=REFUSED_PROMPT() if refused else "",
        leased_until=None,
    )


def _give_back(batch: list[ResponseRequest], reason: str) -> None:
    ResponseRequest.objects.filter(
        pk__in=[request.pk for request in batch], status=Status.QUEUED
    ).update(leased_until=None, error=reason)


def _pair_if_complete(request: ResponseRequest) -> None:
    """Labelers need not wait for the batch: a prompt is theirs once all its responses are there.

    Each answer is committed before this looks, so of two workers that finish a prompt together
    the later one sees both.
    """
    waiting = ResponseRequest.objects.filter(
        campaign=request.campaign_id, prompt=request.prompt_id, status=Status.QUEUED
    )
    if not waiting.exists():
        pair_prompts(campaign=request.campaign, prompts=[request.prompt])


def _pair_what_was_left() -> None:
    """Pair the prompts whose worker died between the last answer and the pairing."""
    chosen_later = [
        campaign.pk
        for campaign in Campaign.objects.filter(pair_choice=PairRule.UNCERTAINTY)
        if waits_for_judge(campaign)
    ]
    unpaired = ResponseRequest.objects.filter(paired=False).exclude(campaign__in=chosen_later)
    waiting = unpaired.filter(
        campaign=OuterRef("campaign"), prompt=OuterRef("prompt"), status=Status.QUEUED
    )
    left = unpaired.exclude(status=Status.QUEUED).filter(~Exists(waiting))
    for request in left.select_related("campaign", "prompt"):
        _pair_if_complete(request)


@transaction.atomic
def pair_prompts(*, campaign: Campaign, prompts: list[Prompt]) -> None:
    """Put each prompt's responses before the labelers.

    A campaign that ranks puts all of them in order together. In one of pairs, with several
    policies each meets the others, response by response; with one policy all its responses meet
    each other; by a plan the two sides of its line meet. Who writes demonstrations may start from
    one of two. What a reward model chooses waits for it (services/pair_choices.py); while there
    is none, chance does.
    """
    # Two workers that finish one prompt together must not count its discarded pairs twice.
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if waits_for_judge(campaign):
        return
    by_prompt = answered_requests(campaign, prompts)
    if campaign.kind == Campaign.Kind.DEMONSTRATION:
        _offer_to_writers(campaign, by_prompt)
    elif campaign.kind == Campaign.Kind.RANKING:
        _let_rank(campaign, by_prompt)
    elif campaign.pair_choice == PairRule.UNCERTAINTY:
        settle(campaign, by_prompt, {})
    else:
        _let_meet(campaign, by_prompt)
    ResponseRequest.objects.filter(pk__in=[r.pk for rs in by_prompt.values() for r in rs]).update(
        paired=True
    )


def _offer_to_writers(campaign: Campaign, by_prompt: dict[int, list[ResponseRequest]]) -> None:
    """Ask labelers for demonstrations, with the first two different responses to start from."""
    offers = {}
    for prompt, answered in by_prompt.items():
        responses = [request.response for request in answered if request.response is not None]
        different = {response.text: response for response in reversed(responses)}
        offers[prompt] = list(reversed(different.values()))[:2]
    prompts = [answered[0].prompt for answered in by_prompt.values()]
    want_demonstrations(campaign=campaign, prompts=prompts, offers=offers)


def _let_rank(campaign: Campaign, by_prompt: dict[int, list[ResponseRequest]]) -> None:
    for answered in by_prompt.values():
        responses = [request.response for request in answered if request.response is not None]
        create_groups(
            campaign=campaign,
            prompt=answered[0].prompt,
            responses=responses,
            empty=len(answered) - len(responses),
        )


def _let_meet(campaign: Campaign, by_prompt: dict[int, list[ResponseRequest]]) -> None:
    pairs = []
    for answered in by_prompt.values():
        for one, other in _meetings(answered):
            if one.response is None or other.response is None:
                DiscardedPair.objects.create(
                    campaign=campaign, prompt=one.prompt, reason=DiscardedPair.Reason.EMPTY
                )
            else:
                pairs.append((one.response, other.response))
    made = create_comparisons(campaign=campaign, pairs=pairs)
    arms = {prompt: answered[0].arm for prompt, answered in by_prompt.items()}
    PairChoice.objects.bulk_create(
        PairChoice(comparison=comparison, arm=arms[comparison.prompt_id])
        for comparison in made
        if arms[comparison.prompt_id]
    )


def _meetings(
    answered: list[ResponseRequest],
) -> Iterator[tuple[ResponseRequest, ResponseRequest]]:
    """Which responses to one prompt meet; `answered` is ordered by policy and number."""
    if answered[0].meeting_id is not None:
        ones, others = ([each for each in answered if each.side == side] for side in (0, 1))
        yield from zip(ones, others, strict=True)
        return
    entrants = [list(group) for _, group in groupby(answered, key=attrgetter("policy_id"))]
    if len(entrants) == 1:
        yield from combinations(entrants[0], 2)
    for one, other in combinations(entrants, 2):
        yield from zip(one, other, strict=False)
