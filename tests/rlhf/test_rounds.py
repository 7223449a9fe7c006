import pytest
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import Campaign, CampaignPolicy, Policy
from labeling.services.comparisons import create_comparisons
from labeling.splits import split_of
from rewardmodel.models import RewardModel
from rewardmodel.runs import TrainingRun
from rlhf.models import PolicyRun, Promotion, ResponseRequest, Round, ServingSlot
from rlhf.selectors.policies import current_policy, judgments_behind, policies_shaped_by
from rlhf.selectors.rounds import duel_result, verdict
from rlhf.services import rounds
from rlhf.services.policies import promote, register_base, register_version
from rlhf.services.serving import serve
from rlhf.tasks import advance_rounds, retrain_reward_models
from tests.cast import ask, imported_judgment, judge, pair, trained

NOW = timezone.now()


@pytest.fixture
def base(db):
    return register_base(name="parrot", checkpoint="/models/parrot")


@pytest.fixture
def round(campaign, base):
    """A round of a campaign with enough judged pairs and prompts for everything."""
    CampaignPolicy.objects.create(campaign=campaign, policy=base)
    for n in range(120):
        prompt = ask(f"Round question {n}?")
        campaign.prompts.add(prompt)
        imported_judgment(campaign, pair(prompt, base, f"Good {n}.", f"Bad {n}."), -1)
    return rounds.begin_round(campaign=campaign)


def finish_judge(round, **figures):
    round.refresh_from_db()
    RewardModel.objects.filter(pk=round.reward_model_id).update(
        status="succeeded", checkpoint="file:///judge", figures=figures
    )
    round.refresh_from_db()


def finish_policy(round):
    """What the worker does when the program has left its result."""
    run = PolicyRun.objects.get(pk=round.policy_run_id)
    assert run.claim(timezone.now())
    register_version(run, {"reward_gain": 0.5, "reward_gain_se": 0.1}, "file:///policy")
    round.refresh_from_db()


def reached(round, stage):
    round = Round.objects.get(pk=round.pk)
    return round.stage == stage


@pytest.fixture
def in_duel(round):
    """The round, its new policy made and waiting to be compared."""
    rounds.train_judge(round=round, by=None)
    finish_judge(round, accuracy=0.7, length_baseline=0.5)
    rounds.train_policy(round=round, by=None)
    round.refresh_from_db()
    finish_policy(round)
    rounds.start_duel(round=round, by=None)
    round.refresh_from_db()
    return round


def answer_duel(round, labeler, wins, losses=0):
    """Pretend generation, then judge: the new policy wins so often."""
    new = round.policy_run.policy
    for n in range(wins + losses):
        prompt = ask(f"Duel question {n}?")
        first = pair(prompt, new, f"New {n}.", "x")[0]
        second = pair(prompt, new.parent, f"Old {n}.", "x")[0]
        create_comparisons(campaign=round.duel, pairs=[(first, second)])
        judge(labeler, round.duel, preference=-1 if n < wins else 1)


class TestStepsByHand:
    def test_a_round_goes_from_collecting_to_a_decision(self, round, erin):
        assert reached(round, Round.Stage.COLLECT)
        run = rounds.train_judge(round=round, by=erin)
        assert reached(round, Round.Stage.REWARD_MODEL)
        assert run.snapshot.train_pairs > 90
        finish_judge(round, accuracy=0.7)
        rounds.train_policy(round=round, by=erin)
        assert reached(round, Round.Stage.POLICY)
        round.refresh_from_db()
        finish_policy(round)
        duel = rounds.start_duel(round=round, by=erin)
        assert reached(round, Round.Stage.COMPARE)
        assert duel.status == Campaign.Status.OPEN
        rounds.decide(round=round, decision="promoted", reason="Better.", by=erin, now=NOW)
        assert reached(round, Round.Stage.DECIDED)
        assert current_policy("parrot").version == 1

    def test_steps_out_of_order_are_refused(self, round, erin):
        with pytest.raises(errors.NotReady):
            rounds.train_policy(round=round, by=erin)
        with pytest.raises(errors.NotReady):
            rounds.start_duel(round=round, by=erin)
        with pytest.raises(errors.NotReady):
            rounds.decide(round=round, decision="promoted", reason="", by=erin, now=NOW)

    def test_a_campaign_has_one_open_round(self, round):
        assert rounds.begin_round(campaign=round.campaign) == round
        rounds.decide(round=round, decision="abandoned", reason="", by=None, now=NOW)
        assert rounds.begin_round(campaign=round.campaign).number == 2

    def test_the_duel_is_blind_on_held_out_prompts_between_the_two(self, in_duel):
        duel = in_duel.duel
        versions = {entry.policy.version for entry in duel.entrants.all()}
        assert versions == {0, 1}
        assert all(split_of(prompt.digest) == "test" for prompt in duel.prompts.all())
        assert ResponseRequest.objects.filter(campaign=duel).count() == 2 * duel.prompts.count()

    def test_the_duels_name_which_labelers_read_names_neither_policy(self, in_duel):
        for policy in (in_duel.policy_run.policy, in_duel.policy_run.parent):
            assert policy.slug not in in_duel.duel.name

    def test_a_registered_policy_is_registered_once(self, round, erin):
        rounds.train_judge(round=round, by=erin)
        finish_judge(round, accuracy=0.7)
        rounds.train_policy(round=round, by=erin)
        round.refresh_from_db()
        finish_policy(round)
        run = PolicyRun.objects.get(pk=round.policy_run_id)
        register_version(run, {}, "file:///again")
        assert Policy.objects.filter(name="parrot").count() == 2

    def test_rolling_back_leaves_the_parent_current(self, in_duel, erin):
        rounds.decide(round=in_duel, decision="rolled_back", reason="Worse.", by=erin, now=NOW)
        assert current_policy("parrot").version == 0
        in_duel.duel.refresh_from_db()
        assert in_duel.duel.status == Campaign.Status.CLOSED

    def test_a_promoted_policy_answers_the_campaigns_next_questions(self, in_duel, erin):
        rounds.decide(round=in_duel, decision="promoted", reason="Better.", by=erin, now=NOW)
        assert [e.policy.version for e in in_duel.campaign.entrants.all()] == [1]

    def test_too_few_held_out_prompts_are_refused_before_any_compute(self, round, erin):
        rounds.train_judge(round=round, by=erin)
        finish_judge(round, accuracy=0.7)
        held_out = [p for p in round.campaign.prompts.all() if split_of(p.digest) == "test"]
        round.campaign.prompts.remove(*held_out)
        with pytest.raises(errors.NotReady, match="0 held-out prompts"):
            rounds.train_policy(round=round, by=erin)


class TestTriggers:
    def advance(self, round):
        rounds.advance(round=Round.objects.get(pk=round.pk), now=timezone.now())

    def test_nothing_happens_by_itself_unless_the_campaign_says_so(self, round):
        self.advance(round)
        assert reached(round, Round.Stage.COLLECT)

    def test_a_reward_model_is_trained_after_so_many_new_comparisons(self, round, campaign):
        Campaign.objects.filter(pk=campaign.pk).update(reward_model_after=121)
        self.advance(round)
        assert reached(round, Round.Stage.COLLECT)
        Campaign.objects.filter(pk=campaign.pk).update(reward_model_after=120)
        self.advance(round)
        self.advance(round)
        assert reached(round, Round.Stage.REWARD_MODEL)
        assert RewardModel.objects.count() == 1

    def test_ppo_starts_when_the_reward_model_beats_every_baseline_by_the_margin(
        self, round, campaign
    ):
        Campaign.objects.filter(pk=campaign.pk).update(policy_margin=0.1)
        rounds.train_judge(round=round, by=None)
        self.advance(round)
        finish_judge(round, accuracy=0.7, length_baseline=0.55, majority_baseline=0.65)
        self.advance(round)
        assert reached(round, Round.Stage.REWARD_MODEL)
        finish_judge(round, accuracy=0.8, length_baseline=0.55, majority_baseline=0.65)
        self.advance(round)
        assert reached(round, Round.Stage.POLICY)

    def test_ppo_does_not_start_by_itself_with_a_judge_that_the_gate_refused(self, round, campaign):
        Campaign.objects.filter(pk=campaign.pk).update(policy_margin=0.1)
        rounds.train_judge(round=round, by=None)
        counts = {"both_right": 50, "only_new": 1, "only_other": 20, "neither": 9}
        finish_judge(round, accuracy=0.8, beside={"reward_model": 1, **counts})
        self.advance(round)
        assert reached(round, Round.Stage.REWARD_MODEL)
        finish_judge(round, accuracy=0.8)
        self.advance(round)
        assert reached(round, Round.Stage.POLICY)

    def test_a_round_that_goes_wrong_holds_up_no_other(self, round, campaign, base):
        Campaign.objects.filter(pk=campaign.pk).update(reward_model_after=120)
        broken = Campaign.objects.create(name="Broken", policy_margin=0.1)
        judge = trained(broken, base, figures={"accuracy": None})
        Round.objects.create(campaign=broken, number=1, snapshot=judge.snapshot, reward_model=judge)
        advance_rounds()
        assert reached(round, Round.Stage.REWARD_MODEL)

    def test_between_rounds_a_campaign_gets_a_new_reward_model_after_as_many_labels(
        self, round, campaign, base
    ):
        Campaign.objects.filter(pk=campaign.pk).update(reward_model_after=100)
        retrain_reward_models()
        assert not RewardModel.objects.exists(), "the round trains the first one"
        rounds.train_judge(round=round, by=None)
        finish_judge(round, accuracy=0.7)
        retrain_reward_models()
        assert RewardModel.objects.count() == 1
        for n in range(100):
            imported_judgment(campaign, pair(ask(f"Later {n}?"), base, "a", "b"), -1)
        retrain_reward_models()
        retrain_reward_models()
        assert RewardModel.objects.count() == 2

    def test_a_finished_policy_meets_its_parent_by_itself(self, round):
        rounds.train_judge(round=round, by=None)
        finish_judge(round, accuracy=0.7)
        rounds.train_policy(round=round, by=None)
        self.advance(round)
        assert reached(round, Round.Stage.POLICY)
        round.refresh_from_db()
        finish_policy(round)
        self.advance(round)
        assert reached(round, Round.Stage.COMPARE)

    def test_a_person_approves_unless_that_is_switched_off(self, in_duel, alice, campaign):
        answer_duel(in_duel, alice, wins=10)
        self.advance(in_duel)
        assert reached(in_duel, Round.Stage.COMPARE)
        Campaign.objects.filter(pk=campaign.pk).update(approval_required=False)
        self.advance(in_duel)
        assert current_policy("parrot").version == 1

    def test_the_gate_rolls_back_what_is_not_surely_better(self, in_duel, alice, campaign):
        answer_duel(in_duel, alice, wins=6, losses=4)
        Campaign.objects.filter(pk=campaign.pk).update(approval_required=False)
        self.advance(in_duel)
        assert Round.objects.get(pk=in_duel.pk).decision == "rolled_back"
        assert current_policy("parrot").version == 0

    def test_the_gate_rolls_back_what_followed_a_judge_no_better_than_its_baselines(
        self, in_duel, alice, campaign
    ):
        finish_judge(in_duel, accuracy=0.567, words_baseline=0.612)
        answer_duel(in_duel, alice, wins=10)
        Campaign.objects.filter(pk=campaign.pk).update(approval_required=False)
        self.advance(in_duel)
        decided = Round.objects.get(pk=in_duel.pk)
        assert decided.decision == "rolled_back"
        assert "does not beat its baselines" in decided.reason

    def test_the_gate_rolls_back_a_reward_within_its_standard_error(self, in_duel, alice, campaign):
        PolicyRun.objects.update(figures={"reward_gain": 0.1, "reward_gain_se": 0.1})
        answer_duel(in_duel, alice, wins=10)
        Campaign.objects.filter(pk=campaign.pk).update(approval_required=False)
        self.advance(in_duel)
        decided = Round.objects.get(pk=in_duel.pk)
        assert decided.decision == "rolled_back"
        assert "standard error" in decided.reason

    def test_the_gate_tells_what_a_model_says_that_the_run_did_not_follow(
        self, in_duel, alice, campaign, base
    ):
        answer_duel(in_duel, alice, wins=10)
        Campaign.objects.filter(pk=campaign.pk).update(approval_required=False)
        other = trained(campaign, base)
        gain = {"win_rate": 0.75, "test_prompts": 40, "reward_gain": 0.5, "reward_gain_se": 0.1}
        for told, held_out_model in (({}, None), ({"held_out": gain}, other)):
            PolicyRun.objects.update(figures={**gain, **told}, held_out_model=held_out_model)
            in_duel.refresh_from_db()
            said = verdict(in_duel, duel_result(in_duel).share).reason
            assert said.startswith("By the gate: win rate 100%")
            assert ("No other reward model checked the run." in said) == (not told)
        assert f"By reward model {other.pk}, which the run did not follow: 75% (60% to 86%)" in said

    def test_the_gate_waits_until_every_pair_is_judged(self, in_duel, alice, bob, campaign):
        answer_duel(in_duel, alice, wins=9)
        prompt = ask("One more?")
        new = in_duel.policy_run.policy
        create_comparisons(campaign=in_duel.duel, pairs=[pair(prompt, new, "a", "b")])
        Campaign.objects.filter(pk=campaign.pk).update(approval_required=False)
        self.advance(in_duel)
        assert reached(in_duel, Round.Stage.COMPARE)


def test_the_duels_result_is_about_the_new_policy_whichever_came_first(in_duel, alice):
    answer_duel(in_duel, alice, wins=3, losses=1)
    result = duel_result(in_duel)
    assert (result.wins, result.losses, result.ties) == (3, 1, 0)
    assert result.share.low < result.share.value == 0.75 < result.share.high


class TestLineage:
    def test_from_a_policy_to_every_judgment_that_shaped_it_and_back(self, in_duel, campaign):
        new = in_duel.policy_run.policy
        behind = judgments_behind(new)
        assert behind.count() == 120
        one = behind.first()
        assert policies_shaped_by([one]) == {one.pk: [new]}
        assert not judgments_behind(new.parent).exists()

    def test_a_page_leads_through_all_of_them_and_on_to_what_they_shaped(
        self, in_duel, erin, client
    ):
        new = in_duel.policy_run.policy
        client.force_login(erin)
        address = reverse("rlhf:lineage", args=[new.pk])
        assert address in client.get(reverse("rlhf:policy", args=[new.pk])).content.decode()
        seen: list[int] = []
        found = client.get(address)
        while True:
            rows = found.context["judgments"]
            assert all(shaped == [new] for _, shaped in rows)
            seen += [judgment.pk for judgment, _ in rows]
            older = found.context["older"]
            if older is None:
                break
            found = client.get(address, {"before": older})
        assert len(seen) == 120
        assert seen == sorted(judgments_behind(new).values_list("pk", flat=True), reverse=True)
        parent = client.get(reverse("rlhf:lineage", args=[new.parent.pk]))
        assert "No judgment has shaped this policy" in parent.content.decode()


class TestServing:
    def test_the_first_policy_of_a_line_is_current_and_served(self, base):
        assert current_policy("parrot") == base
        assert ServingSlot.objects.get().policy == base

    def test_two_policies_are_served_at_once_and_a_third_takes_the_unwanted_place(
        self, base, settings
    ):
        settings.VLLM_BASE_URLS = ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]
        one, two = (
            Policy.objects.create(name="parrot", version=n, parent=base, checkpoint="/m")
            for n in (1, 2)
        )
        serve(one, base)
        assert {s.policy for s in ServingSlot.objects.all()} == {base, one}
        slot_of_base = base.slot.number
        serve(two, base)
        assert {s.policy for s in ServingSlot.objects.all()} == {base, two}
        assert ServingSlot.objects.get(policy=base).number == slot_of_base, "it kept its server"

    def test_promoting_what_is_current_is_refused(self, base, erin):
        with pytest.raises(errors.Refused, match="current policy already"):
            promote(policy=base, reason="Again.", by=erin)

    def test_rolling_back_is_one_more_promotion(self, base, erin):
        new = Policy.objects.create(name="parrot", version=1, parent=base, checkpoint="/m")
        promote(policy=new, reason="Better.", by=erin)
        promote(policy=base, reason="Not better after all.", by=erin)
        assert current_policy("parrot") == base
        assert Promotion.objects.count() == 3


def test_a_cancelled_run_makes_no_policy(round, erin):
    rounds.train_judge(round=round, by=erin)
    finish_judge(round, accuracy=0.7)
    run = rounds.train_policy(round=round, by=erin)
    assert run.claim(timezone.now())
    PolicyRun.objects.update(status=TrainingRun.Status.CANCELLED)
    register_version(run, {}, "file:///policy")
    assert Policy.objects.filter(name="parrot").count() == 1
