"""A model of the pairs that another one holds out, to check what follows that one."""

import json

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from rewardmodel.learning.pairs import read_pairs
from rewardmodel.learning.rundirectory import RunDirectory
from rewardmodel.models import Appointment, RewardModel
from rewardmodel.selectors.appointments import current_reward_model
from rewardmodel.selectors.held_out import others_ready
from rewardmodel.selectors.predictions import comparable
from rewardmodel.services.reward_models import appoint, finish, prepare, train_held_out
from tests.cast import frozen
from tests.rewardmodel.learning.planted import planted_rows

ROWS = planted_rows(400)  # 80 of them held out


@pytest.fixture
def snapshot(campaign, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return frozen(campaign, artifact_url=f"file://{path}", train_pairs=320, test_pairs=80)


@pytest.fixture
def followed(snapshot, policy):
    """A finished model, the campaign's current one."""
    run = RewardModel.objects.create(snapshot=snapshot, base=policy, config={"epochs": 3})
    return ended(run)


def ended(run):
    assert run.claim(timezone.now())
    finish(run, {"accuracy": 0.7}, "file:///reward")
    run.refresh_from_db()
    return run


@pytest.fixture(autouse=True)
def weights(policy, tmp_path):
    policy.checkpoint = str(tmp_path)
    policy.save()


def test_it_learns_what_the_other_holds_out_and_is_measured_on_what_that_learned(
    followed, erin, tmp_path
):
    made = train_held_out(of=followed, by=erin)
    assert (made.snapshot, made.base) == (followed.snapshot, followed.base)
    assert made.config == {"epochs": 3, "min_train_pairs": 30}, "taught in the same way"
    directory = tmp_path / "run"
    directory.mkdir()
    for _ in range(2):  # a run that goes on is given the same files
        prepare(made, directory)
    pairs = read_pairs(RunDirectory(directory).rows())
    turned = {"train": "test", "test": "train"}
    assert [(p.id, p.split) for p in pairs] == [(r["id"], turned[r["split"]]) for r in ROWS]
    config = json.loads((directory / "config.json").read_text())
    assert "beside" not in config, "the current model knows the pairs it is measured on"


def test_too_few_held_out_pairs_are_refused_with_the_number_that_is_missing(
    campaign, policy, client, erin
):
    small = frozen(campaign, train_pairs=200, test_pairs=29)
    followed = ended(RewardModel.objects.create(snapshot=small, base=policy))
    with pytest.raises(errors.TooFewPairs, match="There are 29 training pairs"):
        train_held_out(of=followed, by=None)
    client.force_login(erin)
    page = client.post(reverse("rewardmodel:held_out", args=[followed.pk]), follow=True).text
    assert "There are 29 training pairs" in page
    assert train_held_out(of=followed, by=None, config={"min_train_pairs": 20}).is_active


def test_it_is_never_the_campaigns_current_model(followed, campaign, erin):
    made = ended(train_held_out(of=followed, by=None))
    assert current_reward_model(campaign) == followed
    with pytest.raises(errors.Refused, match="to check others"):
        appoint(run=made, by=erin)
    with pytest.raises(IntegrityError), transaction.atomic():
        Appointment.objects.create(campaign=campaign, reward_model=made)
    with pytest.raises(errors.NotReady):
        train_held_out(of=made, by=erin)


def test_it_checks_before_newer_models_that_share_labels(followed, snapshot, policy):
    made = ended(train_held_out(of=followed, by=None))
    newer = ended(RewardModel.objects.create(snapshot=snapshot, base=policy))
    assert list(others_ready(followed)) == [made, newer]
    assert comparable(followed) == [newer], "the others were measured on other pairs"


def test_an_engineer_starts_it_from_the_page_of_the_model(followed, client, erin):
    client.force_login(erin)
    page = client.get(reverse("rewardmodel:run", args=[followed.pk])).text
    address = reverse("rewardmodel:held_out", args=[followed.pk])
    assert f'action="{address}"' in page
    response = client.post(address, follow=True)
    made = RewardModel.objects.get(learns_held_out=True)
    assert response.redirect_chain[-1][0] == reverse("rewardmodel:run", args=[made.pk])
    assert made.created_by == erin
    page = client.get(reverse("rewardmodel:run", args=[ended(made).pk])).text
    assert "checks what follows them" in page
    assert "80 + 320 held out" in page
    assert "Train a held-out model" not in page
