"""Which reward model a campaign uses, and the gate before a new one."""

import json

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import Act, AuditEvent, Campaign, Snapshot
from rewardmodel.models import Appointment, RewardModel
from rewardmodel.selectors.appointments import current_reward_model, trial_of
from rewardmodel.services.reward_models import appoint, finish, prepare, retrain
from tests.cast import ask, imported_judgment, pair

SAME = {"both_right": 60, "only_new": 6, "only_other": 8, "neither": 20}
WORSE = {"both_right": 60, "only_new": 2, "only_other": 14, "neither": 18}
BETTER = {"both_right": 60, "only_new": 14, "only_other": 2, "neither": 18}


@pytest.fixture
def trained(campaign, policy, tmp_path):
    """Lets a run end, asked for by the trigger or by a person, compared with a model or not."""

    def make(beside=None, counts=SAME, by=None, in_=campaign):
        snapshot, _ = Snapshot.objects.get_or_create(
            campaign=in_,
            digest="0" * 64,
            defaults={
                "artifact_url": f"file://{tmp_path}/rows.jsonl",
                "recipe": {},
                "train_pairs": 9,
                "test_pairs": 9,
            },
        )
        run = RewardModel.objects.create(snapshot=snapshot, base=policy, created_by=by)
        run.claim(timezone.now())
        figures = {"accuracy": 0.7}
        if beside is not None:
            figures["beside"] = {"reward_model": beside.pk, **counts}
        folder = tmp_path / str(run.pk)
        folder.mkdir()
        finish(run, figures, f"file://{folder}")
        return RewardModel.objects.get(pk=run.pk)

    return make


def test_the_first_model_of_a_trigger_is_the_current_one(campaign, trained):
    assert current_reward_model(campaign) is None
    run = trained()
    assert current_reward_model(campaign) == run
    assert Appointment.objects.get().appointed_by is None


@pytest.mark.parametrize(("counts", "takes_over"), [(SAME, True), (BETTER, True), (WORSE, False)])
def test_a_new_model_takes_over_unless_it_is_shown_to_be_worse(
    campaign, trained, counts, takes_over
):
    old = trained()
    new = trained(beside=old, counts=counts)
    assert current_reward_model(campaign) == (new if takes_over else old)
    assert trial_of(new).worse != takes_over


def test_a_model_compared_with_another_than_the_current_one_does_not_take_over(campaign, trained):
    first = trained()
    second = trained(beside=first)
    trained(beside=first, counts=BETTER)
    trained()  # compared with none, although there is one
    assert current_reward_model(campaign) == second


def test_what_a_person_trains_waits_for_a_person(campaign, trained, erin):
    old = trained()
    tried = trained(beside=old, counts=BETTER, by=erin)
    assert current_reward_model(campaign) == old
    appoint(run=tried, by=erin)
    assert current_reward_model(campaign) == tried
    appoint(run=old, by=erin)
    assert current_reward_model(campaign) == old
    acts = AuditEvent.objects.filter(act=Act.REWARD_MODEL_APPOINTED).order_by("id")
    assert [event.details["before"] for event in acts] == [None, old.pk, tried.pk]
    assert [event.actor for event in acts] == [None, erin, erin]


def test_only_finished_models_become_current_and_only_once(campaign, trained, policy, erin):
    run = trained()
    with pytest.raises(errors.Refused, match="current reward model already"):
        appoint(run=run, by=erin)
    going = RewardModel.objects.create(snapshot=run.snapshot, base=policy)
    with pytest.raises(errors.NotReady):
        appoint(run=going, by=erin)
    with pytest.raises(IntegrityError, match="finished model"), transaction.atomic():
        Appointment.objects.create(campaign=campaign, reward_model=going)


def test_an_appointment_is_in_the_models_own_campaign_and_never_changed(campaign, trained, carol):
    run = trained()
    other = Campaign.objects.create(name="Other", created_by=carol)
    with pytest.raises(IntegrityError, match="of its campaign"), transaction.atomic():
        Appointment.objects.create(campaign=other, reward_model=run)
    with pytest.raises(DatabaseError), transaction.atomic():
        Appointment.objects.update(appointed_by=carol)


def test_a_cancelled_run_is_nobodys_successor(campaign, trained, policy):
    run = RewardModel.objects.create(snapshot=trained().snapshot, base=policy)
    run.claim(timezone.now())
    RewardModel.objects.filter(pk=run.pk).update(status="cancelled")
    before = Appointment.objects.count()
    finish(run, {"accuracy": 0.9}, "file:///late")
    assert Appointment.objects.count() == before


def test_the_program_is_told_the_model_in_use_where_it_can_be_read(
    campaign, trained, policy, tmp_path
):
    old = trained()
    (tmp_path / "rows.jsonl").write_text("")
    (tmp_path / "weights").mkdir()
    policy.checkpoint = f"file://{tmp_path}/weights"
    policy.save()
    run = RewardModel.objects.create(snapshot=old.snapshot, base=policy)

    def told():
        prepare(run, tmp_path)
        return json.loads((tmp_path / "config.json").read_text()).get("beside")

    assert told() == {"reward_model": old.pk, "folder": str(tmp_path / str(old.pk))}
    (tmp_path / str(old.pk)).rmdir()
    assert told() is None


class TestRetraining:
    @pytest.fixture
    def labelled(self, campaign, policy):
        def more(count):
            start = campaign.comparisons.count()
            for n in range(start, start + count):
                imported_judgment(campaign, pair(ask(f"More {n}?"), policy, "a", "b"), -1)

        return more

    def due(self, campaign, policy):
        campaign.refresh_from_db()
        return retrain(campaign=campaign, base=policy, kinds=["person"])

    def test_after_so_many_new_labels_a_model_is_trained_as_the_current_one_was(
        self, campaign, policy, trained, labelled, erin
    ):
        old = trained()  # on 18 pairs
        RewardModel.objects.filter(pk=old.pk).update(config={"heads": 4})
        Campaign.objects.filter(pk=campaign.pk).update(reward_model_after=102)
        labelled(119)
        assert self.due(campaign, policy) is None
        labelled(1)
        run = self.due(campaign, policy)
        assert (run.config, run.created_by, run.snapshot.campaign) == ({"heads": 4}, None, campaign)
        assert run.snapshot.train_pairs + run.snapshot.test_pairs == 120
        labelled(102)
        assert self.due(campaign, policy) is None, "one is being trained"

    def test_a_run_that_failed_is_tried_again_only_after_as_many_labels_again(
        self, campaign, policy, trained, labelled
    ):
        Campaign.objects.filter(pk=campaign.pk).update(reward_model_after=102)
        trained()
        labelled(120)
        run = self.due(campaign, policy)
        RewardModel.objects.filter(pk=run.pk).update(status="failed", error="No.")
        assert self.due(campaign, policy) is None
        labelled(102)
        assert self.due(campaign, policy) is not None

    def test_labels_that_teach_nothing_do_not_train_the_same_model_again(
        self, campaign, policy, trained, labelled
    ):
        Campaign.objects.filter(pk=campaign.pk).update(reward_model_after=10)
        trained()
        labelled(120)
        run = self.due(campaign, policy)
        RewardModel.objects.filter(pk=run.pk).update(status="succeeded", checkpoint="file:///x")
        trained()  # on 18 pairs: 102 seem new, and what can be learned from them has been learned
        assert self.due(campaign, policy) is None

    def test_without_a_trigger_nothing_is_trained(self, campaign, policy, trained, labelled):
        trained()
        labelled(150)
        assert self.due(campaign, policy) is None


class TestPages:
    def page(self, client, run):
        return client.get(reverse("rewardmodel:run", args=[run.pk])).content.decode()

    def test_the_page_shows_the_test_and_what_the_gate_did(self, client, erin, trained):
        old = trained()
        refused = trained(beside=old, counts=WORSE)
        client.force_login(erin)
        shown = self.page(client, refused)
        assert f"beside reward model {old.pk}" in shown
        assert "the gate left the other one in its place" in shown
        assert "The campaign uses this model." in self.page(client, old)
        index = client.get(reverse("rewardmodel:list")).content.decode()
        assert index.count('class="badge good">Current') == 1

    def test_a_person_makes_another_one_current(self, client, erin, campaign, trained):
        old = trained()
        refused = trained(beside=old, counts=WORSE)
        client.force_login(erin)
        address = reverse("rewardmodel:appoint", args=[refused.pk])
        assert client.post(address).status_code == 302
        assert current_reward_model(campaign) == refused
        answer = client.post(address, follow=True)
        assert "current reward model already" in answer.content.decode()
