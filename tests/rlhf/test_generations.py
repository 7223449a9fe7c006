from datetime import timedelta

import pytest
from django.utils import timezone

from labeling import errors
from labeling.models import CampaignPolicy, DiscardedPair, Policy, Response
from labeling.selectors.campaigns import progress
from rlhf.models import ResponseRequest
from rlhf.selectors.generations import generation_state
from rlhf.services.generations import generate_pending, request_responses
from tests.cast import ask
from tests.rlhf.scripted_server import scripted_server

NOW = timezone.now()


def by_seed(body):
    return f"Answer {body['seed']} to {body['messages'][-1]['content']}"


@pytest.fixture
def entrant(campaign, policy):
    return CampaignPolicy.objects.create(
        campaign=campaign, policy=policy, responses=2, temperature=0.7, max_tokens=32
    )


@pytest.fixture
def prompts(db):
    return [ask(f"Why {n}?") for n in range(3)]


def generate(settings, script=by_seed, policies=("parrot-v0",), now=NOW):
    with scripted_server(list(policies), script) as url:
        settings.VLLM_BASE_URLS = [url]
        return generate_pending(now=now)


def test_pairs_are_put_before_the_labelers_with_a_slot_for_each_opinion(
    campaign, entrant, prompts, settings
):
    campaign.overlap = 2
    campaign.save()
    assert request_responses(campaign=campaign, prompts=prompts) == 6
    assert generate(settings) == 6
    assert (campaign.comparisons.count(), progress(campaign).wanted) == (3, 6)


def test_a_response_knows_how_it_was_sampled(campaign, entrant, prompts, settings):
    request_responses(campaign=campaign, prompts=prompts[:1])
    generate(settings)
    for response in Response.objects.all():
        assert response.sampling["temperature"] == 0.7
        assert response.text.startswith(f"Answer {response.sampling['seed']} ")
        assert (response.finish_reason, response.token_count > 0) == ("stop", True)


def test_asking_twice_for_the_same_prompts_changes_nothing(campaign, entrant, prompts, settings):
    request_responses(campaign=campaign, prompts=prompts)
    assert request_responses(campaign=campaign, prompts=prompts) == 0
    generate(settings)
    assert generate(settings) == 0
    assert campaign.comparisons.count() == 3


def test_a_server_that_is_down_leaves_the_work_queued_and_the_reason_beside_it(
    campaign, entrant, prompts, settings
):
    settings.VLLM_BASE_URLS = ["http://127.0.0.1:9/v1"]
    request_responses(campaign=campaign, prompts=prompts)
    assert generate_pending(now=NOW) == 0
    state = generation_state(campaign)
    assert state.queued == 6
    assert "does not answer" in state.complaint
    generate(settings)
    assert generation_state(campaign).complaint == ""


def test_a_policy_that_no_server_has_waits_for_one(campaign, entrant, prompts, settings):
    request_responses(campaign=campaign, prompts=prompts)
    assert generate(settings, policies=["another"]) == 0
    assert "parrot-v0" in generation_state(campaign).complaint


def test_answers_that_came_before_the_server_broke_are_kept(campaign, entrant, prompts, settings):
    request_responses(campaign=campaign, prompts=prompts)

    def breaks_on_the_last(body):
        return 401 if "Why 2?" in body["messages"][-1]["content"] else by_seed(body)

    generate(settings, breaks_on_the_last)
    done = ResponseRequest.objects.filter(status="done").count()
    assert generate(settings) == 6 - done
    assert campaign.comparisons.count() == 3


def test_identical_and_empty_responses_are_counted_and_never_shown(
    campaign, entrant, prompts, settings
):
    request_responses(campaign=campaign, prompts=prompts)

    def script(body):
        question = body["messages"][-1]["content"]
        return {"Why 0?": "The same.", "Why 1?": " "}.get(question) or by_seed(body)

    generate(settings, script)
    assert campaign.comparisons.count() == 1
    now = progress(campaign)
    assert (now.identical, now.empty) == (1, 1)
    generate(settings, script)
    assert DiscardedPair.objects.count() == 2


def test_two_policies_meet_each_other_and_not_themselves(
    campaign, entrant, policy, prompts, settings
):
    rival = Policy.objects.create(name="parrot", version=1, parent=policy, checkpoint="/m")
    CampaignPolicy.objects.create(campaign=campaign, policy=rival, responses=2)
    request_responses(campaign=campaign, prompts=prompts)
    generate(settings, policies=["parrot-v0", "parrot-v1"])
    assert campaign.comparisons.count() == 6
    for comparison in campaign.comparisons.all():
        assert {comparison.first.policy, comparison.second.policy} == {policy, rival}


def test_a_prompt_the_server_refuses_fails_with_the_reason_and_holds_nothing_up(
    campaign, entrant, prompts, settings
):
    request_responses(campaign=campaign, prompts=prompts)

    def script(body):
        return 400 if "Why 0?" in body["messages"][-1]["content"] else by_seed(body)

    generate(settings, script)
    assert generation_state(campaign).failed == 2
    assert campaign.comparisons.count() == 2


def test_what_a_dead_worker_had_claimed_is_asked_for_again(campaign, entrant, prompts, settings):
    request_responses(campaign=campaign, prompts=prompts)
    ResponseRequest.objects.update(leased_until=NOW + timedelta(minutes=15))
    assert generate(settings) == 0
    assert generate(settings, now=NOW + timedelta(minutes=16)) == 6


class TestRankings:
    def test_all_responses_to_a_prompt_are_put_in_order_together(
        self, ranked, entrant, prompts, settings
    ):
        owl = Policy.objects.create(name="owl", version=0, checkpoint="/models/owl")
        CampaignPolicy.objects.create(campaign=ranked, policy=owl, responses=2)
        request_responses(campaign=ranked, prompts=prompts)
        generate(settings, policies=("parrot-v0", "owl-v0"))
        assert [group.size for group in ranked.groups.all()] == [4, 4, 4]
        assert (progress(ranked).comparisons, progress(ranked).wanted) == (3, 3)

    def test_what_is_empty_or_the_same_is_left_out_and_counted(
        self, ranked, entrant, prompts, settings
    ):
        entrant.responses = 5
        entrant.save()
        texts = iter(["One.", "", "Two.", "One.", "Three."])
        request_responses(campaign=ranked, prompts=prompts[:1])
        generate(settings, script=lambda body: next(texts))
        assert ranked.groups.get().size == 3
        assert (progress(ranked).empty, progress(ranked).identical) == (1, 1)

    def test_too_few_responses_are_not_asked_for(self, ranked, entrant, prompts):
        with pytest.raises(errors.TooFewToRank):
            request_responses(campaign=ranked, prompts=prompts)
        assert not ResponseRequest.objects.exists()
