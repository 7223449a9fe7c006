"""Which pairs come before the labelers: by chance, by the reward model's doubt, by the ranking."""

import random
from collections import Counter
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling.models import (
    AuditEvent,
    CampaignPolicy,
    PairChoice,
    PlannedMeeting,
    Policy,
    Report,
)
from labeling.selectors.arms import arm_figures
from labeling.services.reports import compute
from rewardmodel.models import RewardModel
from rlhf.models import ResponseRequest
from rlhf.services.generations import request_responses
from rlhf.services.pair_choices import Candidate, choose, choose_pending
from tests.cast import judge, trained
from tests.rlhf.test_generations import generate
from tests.rlhf.test_pair_plans import ask_about
from tests.rlhf.test_planner import met

NOW = timezone.now()


@pytest.fixture
def unsure(campaign, policy):
    """Four responses to each prompt; one of their six pairs is asked."""
    campaign.pair_choice, campaign.control_share = "uncertainty", 0.05
    campaign.save()
    CampaignPolicy.objects.create(campaign=campaign, policy=policy, responses=4)
    return campaign


@pytest.fixture
def ensemble(campaign, policy):
    return trained(campaign, policy, config={"heads": 3})


def answer_by_length(body):
    """Responses of different length to one prompt, by the seed."""
    return "word " * (1 + body["seed"] % 997) + str(body["seed"])


def leads(model, pairs):
    """Heads that differ the more, the longer both responses are together; all lean to the first."""
    together = [len(first.text) + len(second.text) for first, second in pairs]
    return [[1.0 - size, 1.0, 1.0 + size] for size in together]


def doubt(comparison):
    return len(comparison.first.text) + len(comparison.second.text)


class TestUncertainty:
    def test_until_there_is_an_ensemble_chance_chooses(self, unsure, settings):
        request_responses(campaign=unsure, prompts=ask_about(3))
        generate(settings, answer_by_length)
        assert unsure.comparisons.count() == 3
        choices = PairChoice.objects.values_list("arm", "disagreement", "chance")
        assert list(choices) == [("random", None, None)] * 3

    def test_a_model_of_one_head_chooses_nothing(self, unsure, ensemble, settings):
        RewardModel.objects.update(config={"heads": 1})
        request_responses(campaign=unsure, prompts=ask_about(2))
        generate(settings, answer_by_length)
        assert unsure.comparisons.count() == 2

    def test_the_pair_that_the_heads_differ_about_most_is_asked(self, unsure, ensemble, settings):
        request_responses(campaign=unsure, prompts=ask_about(8))
        generate(settings, answer_by_length)
        assert not unsure.comparisons.exists()  # they wait for the reward model
        made = 0
        while found := choose_pending(now=NOW, leads=leads):
            made += found
        assert made == unsure.comparisons.count() == 8
        for choice in PairChoice.objects.filter(arm="uncertainty").select_related("comparison"):
            responses = choice.comparison.prompt.responses.all()
            longest = sorted((len(response.text) for response in responses), reverse=True)
            assert doubt(choice.comparison) == sum(longest[:2])
            assert choice.chance == pytest.approx(0.731, abs=0.001)

    def test_nothing_is_chosen_twice(self, unsure, ensemble, settings):
        request_responses(campaign=unsure, prompts=ask_about(2))
        generate(settings, answer_by_length)

        def meanwhile(model, pairs):
            assert choose_pending(now=NOW, leads=leads) == 0
            return leads(model, pairs)

        assert choose_pending(now=NOW, leads=meanwhile) == 2
        assert choose_pending(now=NOW, leads=leads) == 0

    def test_what_a_dead_worker_scored_is_scored_again(self, unsure, ensemble, settings):
        request_responses(campaign=unsure, prompts=ask_about(2))
        generate(settings, answer_by_length)
        with pytest.raises(ZeroDivisionError):
            choose_pending(now=NOW, leads=lambda model, pairs: 1 // 0)
        assert choose_pending(now=NOW, leads=leads) == 0
        assert choose_pending(now=NOW + timedelta(minutes=31), leads=leads) == 2

    def test_several_pairs_of_a_prompt(self, unsure, ensemble, settings):
        unsure.chosen_pairs = 3
        unsure.save()
        request_responses(campaign=unsure, prompts=ask_about(2))
        generate(settings, answer_by_length)
        assert choose_pending(now=NOW, leads=leads) == 6

    def test_responses_that_are_all_the_same_leave_nothing_to_choose(
        self, unsure, ensemble, settings
    ):
        request_responses(campaign=unsure, prompts=ask_about(1))
        generate(settings, lambda body: "The same.")
        assert choose_pending(now=NOW, leads=leads) == 0
        assert unsure.discarded_pairs.get().reason == "identical"
        assert not ResponseRequest.objects.filter(paired=False).exists()


class TestControl:
    def test_the_share_that_is_left_to_chance_is_the_one_that_was_set(self):
        chance = random.Random(3)
        possible = [Candidate(None, disagreement=float(n), chance=0.5) for n in range(6)]
        arms = Counter()
        picked = Counter()
        for _ in range(4000):
            arm, [best] = choose(possible, 1, 0.25, chance)
            arms[arm] += 1
            picked[arm, best.disagreement] += 1
        assert abs(arms["random"] - 1000) < 5 * (4000 * 0.25 * 0.75) ** 0.5
        assert picked["uncertainty", 5.0] == arms["uncertainty"]
        # by chance each of the six is as likely as the others
        each = arms["random"] / 6
        assert all(abs(picked["random", n] - each) < 5 * each**0.5 for n in range(6))

    def test_a_campaign_always_leaves_some_to_chance(self, campaign):
        campaign.control_share = 0.0
        with pytest.raises(IntegrityError), transaction.atomic():
            campaign.save()


class TestRanking:
    @pytest.fixture
    def three(self, campaign, policy):
        """Three policies; the plan lets each meet each."""
        campaign.pair_choice, campaign.control_share = "ranking", 0.2
        campaign.save()
        others = [
            Policy.objects.create(name=name, version=0, checkpoint="/m") for name in ("owl", "jay")
        ]
        a, b, c = (
            CampaignPolicy.objects.create(campaign=campaign, policy=each)
            for each in (policy, *others)
        )
        for one, other in ((a, b), (a, c), (b, c)):
            PlannedMeeting.objects.create(campaign=campaign, one=one, other=other)
        return campaign

    def test_who_is_known_well_does_not_meet_while_others_are_unknown(self, three, alice):
        known, *others = three.planned_meetings.order_by("id")
        met(three, known.one.policy, known.other.policy, 20)
        for number in range(20):
            judge(alice, three, -1 if number % 2 else 1)
        request_responses(campaign=three, prompts=ask_about(20, "style"))
        told = ResponseRequest.objects.filter(arm="ranking", side=0)
        by_line = Counter(told.values_list("meeting", flat=True))
        assert by_line.total() >= 8  # of twenty, four in five by the coin
        assert set(by_line) == {line.pk for line in others}
        assert max(by_line.values()) - min(by_line.values()) <= 1

    def test_a_pair_says_by_which_arm_it_came(self, three, settings):
        request_responses(campaign=three, prompts=ask_about(12))
        generate(
            settings,
            lambda body: f"{body['model']} says {body['seed']}",
            policies=["parrot-v0", "owl-v0", "jay-v0"],
        )
        arms = Counter(PairChoice.objects.values_list("arm", flat=True))
        assert set(arms) <= {"random", "ranking"}
        assert arms.total() == three.comparisons.count() == 12

    def test_a_plan_of_chance_alone_has_no_arms(self, three):
        three.pair_choice = "random"
        three.save()
        request_responses(campaign=three, prompts=ask_about(3))
        assert set(ResponseRequest.objects.values_list("arm", flat=True)) == {""}


class TestWorth:
    def test_each_arm_is_measured_beside_chance(
        self, unsure, ensemble, alice, settings, client, carol
    ):
        unsure.control_share = 0.5
        unsure.save()
        request_responses(campaign=unsure, prompts=ask_about(30))
        generate(settings, answer_by_length)
        while choose_pending(now=NOW, leads=leads):
            pass
        for number in range(30):
            judge(alice, unsure, 0 if number == 0 else -1, equal="" if number else "tie")
        arms = arm_figures(unsure, "person")
        assert [arm["arm"] for arm in arms] == ["random", "uncertainty"]
        assert sum(arm["judgments"] for arm in arms) == 30
        assert sum(arm["ties"] for arm in arms) == 1
        for arm in arms:  # the first was judged better, as the model had said at 0.731
            assert arm["surprise"] == pytest.approx(0.452, abs=0.001)
        report = Report.objects.create(campaign=unsure, subject="meetings", judges="person")
        assert report.claim(NOW)
        compute(report)
        client.force_login(carol)
        page = client.get(reverse("rlhf:planner", args=[unsure.pk])).content.decode()
        assert "What choosing pairs is worth" in page
        assert "where the reward model is unsure" in page


class TestPage:
    def test_a_manager_sets_the_rule(self, client, campaign, carol):
        client.force_login(carol)
        address = reverse("rlhf:plan_choice", args=[campaign.pk])
        sent = {"pair_choice": "uncertainty", "control_share": "0.3", "chosen_pairs": "2"}
        client.post(address, sent)
        campaign.refresh_from_db()
        assert (campaign.pair_choice, campaign.control_share) == ("uncertainty", 0.3)
        event = AuditEvent.objects.get(act="campaign.choice_set")
        assert event.details["pair_choice"] == ["random", "uncertainty"]
        answer = client.post(address, {**sent, "control_share": "0"})
        assert answer.status_code == 422
        assert "are left to chance" in answer.content.decode()
