"""A second reward model that a run does not follow says what the run is worth, beside the first."""

import json

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import Campaign, CampaignPolicy, Delivery, EventKind, Webhook
from labeling.splits import split_of
from rewardmodel.models import RewardModel
from rewardmodel.tasks import train_reward_model
from rlhf.learning.inputs import settings as program_settings
from rlhf.models import PolicyRun, Round
from rlhf.selectors.win_rates import only_followed_gains, win_rates
from rlhf.services import rounds
from rlhf.services.policies import register_base
from rlhf.services.policy_runs import finish, prepare, start_policy_run
from tests.cast import ask, frozen, imported_judgment, pair
from tests.rlhf.learning.reward_folder import reward_folder
from tests.tiny_model import make_tiny_model

CLEAR = {"reward_gain": 0.5, "reward_gain_se": 0.1, "win_rate": 0.75, "test_prompts": 40}
NONE = {"reward_gain": 0.05, "reward_gain_se": 0.1, "win_rate": 0.5, "test_prompts": 40}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def base(db, tiny):
    return register_base(name="tiny", checkpoint=str(tiny))


@pytest.fixture
def ready(campaign, base, tiny, tmp_path):
    """Makes reward models of the campaign that are ready, with weights of their own."""
    snapshot = frozen(campaign)

    def make(of=snapshot, **card):
        run = RewardModel.objects.create(snapshot=of, base=base)
        folder = reward_folder(tmp_path / f"reward-{run.pk}", tiny, seed=run.pk)
        if card:
            told = json.loads((folder / "reward.json").read_text())
            (folder / "reward.json").write_text(json.dumps({**told, **card}))
        RewardModel.objects.filter(pk=run.pk).update(
            status="succeeded", checkpoint=f"file://{folder}", figures={"accuracy": 0.7}
        )
        run.refresh_from_db()
        return run

    return make


@pytest.fixture
def prompts(campaign, base):
    CampaignPolicy.objects.create(campaign=campaign, policy=base)
    campaign.prompts.add(*(ask(f"Question {n}?") for n in range(120)))


@pytest.fixture
def start(campaign, base, prompts):
    def make(followed, **more):
        return start_policy_run(
            campaign=campaign, parent=base, reward_model=followed, by=None, **more
        )

    return make


def finished(run, held_out=None):
    """What the worker does when the program has left its result."""
    assert run.claim(timezone.now())
    told = {**CLEAR, "reward_after": 0.6} | ({"held_out": held_out} if held_out else {})
    finish(run, told, "file:///policy", timezone.now())
    run.refresh_from_db()
    return run


class TestWhichOne:
    def test_the_newest_other_one_of_the_campaign_that_reads_alike(self, ready, start, base):
        followed, older, newer = ready(), ready(), ready()
        ready(tokenizer_hash="another")
        ready(template_hash="another")
        going = RewardModel.objects.create(snapshot=followed.snapshot, base=base)
        assert start(followed).held_out_model == newer
        assert start(newer).held_out_model == older
        assert going.pk > newer.pk, "which is not ready yet"

    def test_none_where_no_other_one_is(self, ready, start):
        followed = ready()
        assert start(followed).held_out_model is None

    def test_none_whose_result_is_gone(self, ready, start, tmp_path):
        followed, other = ready(), ready()
        RewardModel.objects.filter(pk=other.pk).update(checkpoint=f"file://{tmp_path}/gone")
        assert start(followed).held_out_model is None

    def test_one_may_be_named_and_only_one_that_can_judge(self, ready, start, base):
        followed, older, _newer = ready(), ready(), ready()
        strange = ready(tokenizer_hash="another")
        going = RewardModel.objects.create(snapshot=followed.snapshot, base=base)
        assert start(followed, held_out_model=older).held_out_model == older
        with pytest.raises(errors.Refused, match="the reward model that it follows"):
            start(followed, held_out_model=followed)
        with pytest.raises(errors.NotReady):
            start(followed, held_out_model=going)
        with pytest.raises(errors.Refused, match="another tokenizer or chat template"):
            start(followed, held_out_model=strange)

    def test_the_database_takes_no_run_that_is_checked_by_what_it_follows(self, ready, start):
        followed = ready()
        run = start(followed)
        with pytest.raises(IntegrityError, match="does_not_follow"), transaction.atomic():
            PolicyRun.objects.filter(pk=run.pk).update(held_out_model=followed)

    def test_the_program_is_given_both(self, ready, start, tmp_path):
        followed, other = ready(), ready()
        prepare(start(followed), tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        told, _ppo = program_settings(config)
        assert f"file://{told.reward_model}" == followed.checkpoint
        assert f"file://{told.held_out_model}" == other.checkpoint


class TestTriggers:
    """A round that goes by itself has a model made that checks it, where the labels suffice."""

    @pytest.fixture
    def labels(self, campaign, base, prompts):
        """120 judged pairs; the polite answer is preferred."""
        for n, prompt in enumerate(campaign.prompts.order_by("id")):
            good, bad = f"Please look at number {n}.", f"The cat sat on the mat {n}."
            imported_judgment(campaign, pair(prompt, base, good, bad), -1)

    @pytest.fixture
    def advance(self, campaign, labels, monkeypatch):
        """Begins a round that goes by itself; takes its next step whenever it is called."""
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        Campaign.objects.filter(pk=campaign.pk).update(policy_margin=0)
        campaign.refresh_from_db()
        round = rounds.begin_round(campaign=campaign)

        def step(**config):
            if config:
                rounds.train_judge(round=round, by=None, config=config)
                judge = Round.objects.get().reward_model
                train_reward_model(judge.pk)
                judge.refresh_from_db()
                judge.figures |= {"accuracy": 1.0}  # whatever so few steps have taught it
                judge.save(update_fields=["figures"])
            rounds.advance(round=Round.objects.get(), now=timezone.now())
            return Round.objects.get()

        return step

    FEW = {"min_train_pairs": 10, "precision": "fp32", "max_length": 128}

    def test_ppo_waits_for_the_model_that_is_to_check_it(self, advance, client, erin):
        round = advance(**self.FEW)
        assert round.stage == Round.Stage.REWARD_MODEL
        assert advance().stage == Round.Stage.REWARD_MODEL
        checking = RewardModel.objects.get(learns_held_out=True)
        assert (checking.snapshot, checking.created_by) == (round.snapshot, None)
        client.force_login(erin)
        page = client.get(reverse("rlhf:round", args=[round.pk])).text
        assert f"checked by reward model {checking.pk}, which learns other labels" in page
        train_reward_model(checking.pk)
        run = advance().policy_run
        assert run.held_out_model == checking
        checking.refresh_from_db()
        assert checking.figures["train_pairs"] == round.reward_model.figures["test_pairs"]

    def test_a_check_that_failed_holds_nothing_up(self, advance):
        advance(**self.FEW)
        RewardModel.objects.filter(learns_held_out=True).update(status="failed", error="Killed.")
        round = advance()
        assert round.policy_run.held_out_model is None
        assert RewardModel.objects.filter(learns_held_out=True).count() == 1

    def test_too_few_held_out_labels_make_none_and_the_page_says_so(self, advance, client, erin):
        round = advance(precision="fp32", max_length=128)
        there = round.snapshot.test_pairs
        assert there < 30
        assert round.policy_run.held_out_model is None
        assert not RewardModel.objects.filter(learns_held_out=True).exists()
        client.force_login(erin)
        page = client.get(reverse("rlhf:round", args=[round.pk])).text
        assert f"There are {there} held-out pairs" in page
        assert "needs at least 30" in page


class TestWhatTheySay:
    def test_an_interval_counts_a_prompt_once_and_a_tie_half(self):
        found = win_rates({"win_rate": 0.625, "test_prompts": 4, "held_out": CLEAR})
        assert (found.followed.value, found.followed.trials) == (0.625, 4)
        assert found.followed.low < 0.5 < found.followed.high
        assert 0.5 < found.held_out.low < found.held_out.value == 0.75
        assert win_rates({}) is None
        assert win_rates(CLEAR).held_out is None

    @pytest.mark.parametrize(
        ("followed", "held_out", "alarm"),
        [
            (CLEAR, NONE, True),
            (CLEAR, {**CLEAR, "reward_gain": -0.4}, True),
            (CLEAR, CLEAR, False),
            (NONE, NONE, False),
            ({**CLEAR, "reward_gain": 0.15}, NONE, False),  # no sure gain that could be doubted
            (CLEAR, None, False),
            (CLEAR, {**NONE, "reward_gain_se": None}, False),  # one prompt has no error
        ],
    )
    def test_a_gain_that_only_the_model_followed_sees_is_an_alarm(self, followed, held_out, alarm):
        assert only_followed_gains({**followed, "held_out": held_out}) is alarm

    def test_the_alarm_is_told_once_with_the_runs_page(self, ready, start, campaign):
        Webhook.objects.create(
            campaign=campaign, url="https://hooks.example.org/accord", kinds=[EventKind.ALARM]
        )
        followed, other = ready(), ready()
        finished(start(followed), held_out=CLEAR)
        assert not Delivery.objects.exists()
        run = finished(start(followed), held_out=NONE)
        finish(run, {**CLEAR, "held_out": NONE}, "file:///again", timezone.now())
        told = Delivery.objects.get().payload
        assert told["data"]["run"] == run.pk
        assert f"reward model {other.pk}, which it did not follow" in told["data"]["reason"]
        assert told["url"].endswith(reverse("rlhf:run", args=[run.pk]))


class TestPages:
    @pytest.fixture
    def round(self, ready, prompts, campaign):
        round = rounds.begin_round(campaign=campaign)
        followed = ready()
        Round.objects.filter(pk=round.pk).update(snapshot=followed.snapshot, reward_model=followed)
        round.refresh_from_db()
        return round

    def in_duel(self, round):
        round.refresh_from_db()
        assert any(split_of(p.digest) == "test" for p in round.campaign.prompts.all())
        rounds.start_duel(round=round, by=None)

    def test_both_win_rates_stand_beside_peoples_and_it_is_said_whose_they_are(
        self, client, erin, round, ready
    ):
        client.force_login(erin)
        other = ready()
        finished(rounds.train_policy(round=round, by=erin), held_out=NONE)
        self.in_duel(round)
        run = round.policy_run
        for address in (
            reverse("rlhf:round", args=[round.pk]),
            reverse("rlhf:run", args=[run.pk]),
        ):
            page = client.get(address).text
            assert f"win rate by reward model {run.reward_model_id}, which was followed" in page
            assert f"win rate by reward model {other.pk}, which was not" in page
            assert "75.0 % <small>59.8 % – 85.8 %</small>" in page
            assert "50.0 % <small>35.1 % – 64.8 %</small>" in page
            assert f"reward model {other.pk} scored the same answers" in page
            assert "so they may share mistakes" in page
            assert f"reward model {other.pk} is right in 70.0 %" in page
            assert f"Only reward model {run.reward_model_id} sees a gain" in page
            assert "No second reward model" not in page
        beside = client.get(reverse("rlhf:round", args=[round.pk])).text
        assert "win rate of the new policy" in beside

    def test_a_model_of_other_labels_comes_first_and_the_page_says_so(
        self, client, erin, round, ready
    ):
        client.force_login(erin)
        other, _newer = ready(), ready()
        RewardModel.objects.filter(pk=other.pk).update(learns_held_out=True)
        run = finished(rounds.train_policy(round=round, by=erin), held_out=CLEAR)
        assert run.held_out_model == other
        page = client.get(reverse("rlhf:run", args=[run.pk])).text
        assert "The two learned from different labels" in page
        assert "sees a gain" not in page

    def test_without_a_second_model_the_page_says_how_to_get_one(self, client, erin, round):
        client.force_login(erin)
        finished(rounds.train_policy(round=round, by=erin))
        self.in_duel(round)
        for address in (
            reverse("rlhf:round", args=[round.pk]),
            reverse("rlhf:run", args=[round.policy_run_id]),
        ):
            page = client.get(address).text
            assert "which was followed" in page
            assert "No second reward model scored this run" in page
            assert "Train another one" in page
            assert reverse("rewardmodel:run", args=[round.reward_model_id]) in page
            assert "which was not<" not in page

    def test_the_form_offers_the_others_and_takes_the_one_that_is_chosen(
        self, client, erin, round, ready
    ):
        client.force_login(erin)
        older, _newer = ready(), ready()
        elsewhere = ready(of=frozen(type(round.campaign).objects.create(name="Another")))
        page = client.get(reverse("rlhf:round", args=[round.pk])).text
        assert f"Reward model {older.pk}" in page
        assert f'value="{elsewhere.pk}">Reward model' not in page
        improve = reverse("rlhf:round_improve", args=[round.pk])
        client.post(improve, {"held_out_model": elsewhere.pk})
        assert not PolicyRun.objects.exists()
        client.post(improve, {"held_out_model": older.pk})
        assert PolicyRun.objects.get().held_out_model == older
        page = client.get(reverse("rlhf:run", args=[PolicyRun.objects.get().pk])).text
        assert "Checked by" in page
