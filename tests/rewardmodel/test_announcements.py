import uuid

import pytest
from django.utils import timezone

from labeling.models import Delivery, Webhook
from rewardmodel.following import _end, succeeded
from rewardmodel.models import RewardModel
from rewardmodel.services.runs import cancel
from tests.cast import frozen

NOW = timezone.now()


@pytest.fixture
def run(campaign, policy):
    Webhook.objects.create(
        campaign=campaign, url="https://example.org/", kinds=["training.finished"]
    )
    return RewardModel.objects.create(
        snapshot=frozen(campaign), base=policy, status="running", claim_key=uuid.uuid4()
    )


def told():
    return [delivery.payload["data"] for delivery in Delivery.objects.all()]


def test_a_run_that_succeeded_is_told_with_its_numbers(run):
    assert succeeded(run, {"accuracy": 0.7, "report": {"long": [1]}}, "file:///x")
    [data] = told()
    assert (data["status"], data["figures"]) == ("succeeded", {"accuracy": 0.7})
    assert Delivery.objects.get().payload["url"].endswith(f"/reward-models/{run.pk}/")


def test_a_run_that_failed_is_told_with_its_reason(run):
    _end(run, "failed", error="It ran out of memory.")
    assert told()[0]["error"] == "It ran out of memory."


def test_a_run_that_is_to_be_resumed_has_not_ended(run):
    _end(run, "queued")
    assert not told()


def test_a_run_of_another_worker_is_told_by_that_one(run):
    RewardModel.objects.update(claim_key=uuid.uuid4())
    assert not succeeded(run, {}, "file:///x")
    assert not told()


def test_a_run_cancelled_before_it_began(run):
    RewardModel.objects.update(status="queued")
    cancel(run=run, now=NOW)
    assert told()[0]["status"] == "cancelled"
