"""Demonstrations teach a policy: the run, its child process, and the Policy that comes of it."""

import json

import pytest
from django.utils import timezone

from labeling import artifacts, errors
from labeling.models import (
    Assignment,
    Campaign,
    Demonstration,
    Policy,
    Prompt,
    Response,
)
from labeling.services.comparisons import create_comparisons
from labeling.services.demonstration_imports import import_demonstrations
from labeling.services.demonstration_snapshots import take_demonstration_snapshot
from labeling.services.demonstrations import claim_prompt, want_demonstrations
from labeling.services.freezing import freeze
from labeling.splits import split_of
from rewardmodel.models import RewardModel
from rewardmodel.services import reward_models
from rewardmodel.services.runs import cancel
from rlhf.models import PolicyRun, ResponseRequest, SFTRun
from rlhf.selectors.policies import (
    current_policy,
    demonstrations_behind,
    policies_taught_by,
    with_ancestors,
)
from rlhf.selectors.rounds import compared
from rlhf.services import policy_runs
from rlhf.services.generations import pair_prompts, request_responses
from rlhf.services.policies import promote, register_base, register_version
from rlhf.services.sft_runs import start_sft_duel, start_sft_run
from rlhf.tasks import fine_tune
from rlhf.views.sft_runs import before_and_after
from tests.cast import ask, frozen, judge, write
from tests.tiny_model import make_tiny_model

CONFIG = {
    "tuning": "full",
    "learning_rate": 3e-3,
    "precision": "fp32",
    "epochs": 2,
    "batch_size": 8,
    "evaluate_every": 1,
    "samples_every": 4,
    "sample_tokens": 4,
    "checkpoint_every": 2,
    "max_length": 128,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("sft"))


@pytest.fixture
def base(db, tiny):
    return register_base(name="tiny", checkpoint=str(tiny))


@pytest.fixture
def snapshot(campaign, settings, tmp_path):
    settings.ARTIFACTS_URL = f"file://{tmp_path}/artifacts"
    settings.VAR = tmp_path
    path = tmp_path / "demonstrations.jsonl"
    with path.open("w") as file:
        for n in range(40):
            row = {"prompt": f"What is {n}?", "completion": f"A good answer is {n}."}
            file.write(json.dumps(row) + "\n")
    with path.open("rb") as file:
        import_demonstrations(
            campaign=campaign, file=file, name="some", by=None, now=timezone.now()
        )
    return take_demonstration_snapshot(campaign=campaign, by=None)


@pytest.fixture
def run(snapshot, base, erin):
    return start_sft_run(snapshot=snapshot, parent=base, by=erin, config=CONFIG)


def finished(run, checkpoint="file:///taught"):
    """What the worker does when the program has left its result."""
    assert run.claim(timezone.now())
    register_version(run, {"test_loss_before": 3.0, "test_loss_after": 2.0}, checkpoint)
    run.refresh_from_db()
    return run


@pytest.mark.slow
def test_what_people_write_teaches_a_policy_that_is_like_any_other(
    alice, campaign, base, erin, settings, tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings.ARTIFACTS_URL, settings.VAR = f"file://{tmp_path}/artifacts", tmp_path
    campaign.kind = Campaign.Kind.DEMONSTRATION
    campaign.save()
    prompts = [ask(f"What is {n}?") for n in range(40)]
    want_demonstrations(campaign=campaign, prompts=prompts, offers={})
    for n in range(40):
        write(alice, campaign, f"A good answer is {n}.")
    snapshot = take_demonstration_snapshot(campaign=campaign, by=erin)
    run = start_sft_run(snapshot=snapshot, parent=base, by=erin, config=CONFIG)

    fine_tune(run.pk)

    run.refresh_from_db()
    assert (run.status, run.error) == ("succeeded", "")
    assert run.figures["test_loss_after"] < run.figures["test_loss_before"]
    assert run.metrics.first().values.keys() == {"test_loss"}  # of the parent, at step 0
    assert {"loss", "test_loss"} <= run.metrics.last().values.keys()
    assert run.step == run.steps
    [sample, *_] = before_and_after(run)
    assert (sample.demonstration.labeler, sample.step) == (alice, run.steps)

    policy = run.policy
    assert (policy.slug, policy.parent, policy.taught_by) == ("tiny-v1", base, run)
    assert with_ancestors(policy) == [base, policy]
    assert set(demonstrations_behind(policy)) == set(Demonstration.objects.filter(labeler=alice))
    assert list(policies_taught_by(Demonstration.objects.first())) == [policy]
    promote(policy=policy, reason="Taught.", by=erin)
    assert current_policy("tiny") == policy
    starts_ppo_and_reward_models(policy, campaign, tmp_path)


def starts_ppo_and_reward_models(policy, campaign, folder):
    """Both programs are handed the taught weights, and both can read them."""
    empty = freeze([], folder="snapshots")
    judge_run = RewardModel.objects.create(
        base=policy,
        checkpoint=policy.checkpoint,  # PPO only hands its address on
        snapshot=frozen(campaign, digest=empty.digest, artifact_url=empty.url),
    )
    ppo = PolicyRun(campaign=campaign, parent=policy, reward_model=judge_run)
    weights = artifacts.weights(policy.checkpoint)
    for name, prepare, prepared in (
        ("reward", reward_models.prepare, judge_run),
        ("ppo", policy_runs.prepare, ppo),
    ):
        directory = folder / name
        directory.mkdir()
        prepare(prepared, directory)
        assert json.loads((directory / "config.json").read_text())["model"] == weights

    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rewardmodel.learning.model import load_trunk, model_folder

    load_trunk(model_folder(weights))
    AutoModelForCausalLM.from_pretrained(weights)
    assert AutoTokenizer.from_pretrained(weights).chat_template


def test_a_run_delivered_twice_learns_once(run, monkeypatch):
    starts = []
    monkeypatch.setattr("rlhf.tasks.follow", lambda *args, **kwargs: starts.append(args))
    fine_tune(run.pk)
    fine_tune(run.pk)
    assert len(starts) == 1


def test_a_queued_run_is_cancelled_and_makes_no_policy(run):
    cancel(run=run, now=timezone.now())
    fine_tune(run.pk)
    assert SFTRun.objects.get(pk=run.pk).status == "cancelled"
    assert Policy.objects.count() == 1


def test_too_few_demonstrations_are_refused_with_the_number_missing(snapshot, base):
    snapshot.train_count = 5
    with pytest.raises(
        errors.TooFewDemonstrations, match=r"5 demonstrations to learn from.* 3 more"
    ):
        start_sft_run(snapshot=snapshot, parent=base, by=None)
    snapshot.train_count, snapshot.test_count = 40, 0
    with pytest.raises(errors.TooFewDemonstrations, match=r"0 demonstrations held out.* 2 more"):
        start_sft_run(snapshot=snapshot, parent=base, by=None)


def test_a_policy_of_which_only_texts_are_known_can_not_be_taught(snapshot):
    imported = Policy.objects.create(name="imported", version=3)
    with pytest.raises(errors.NotReady, match="no weights"):
        start_sft_run(snapshot=snapshot, parent=imported, by=None)


def test_a_new_policy_meets_its_parent_blind_on_held_out_prompts(run, campaign, alice):
    with pytest.raises(errors.NotReady):
        start_sft_duel(run=run, by=None)
    finished(run)
    duel = start_sft_duel(run=run, by=None)
    assert start_sft_duel(run=run, by=None) == duel
    assert duel.status == Campaign.Status.OPEN
    assert run.policy.slug not in duel.name
    asked = ResponseRequest.objects.filter(campaign=duel)
    assert {request.policy for request in asked} == {run.policy, run.parent}
    assert {split_of(request.prompt.digest) for request in asked} == {"test"}
    assert duel.memberships.count() == campaign.memberships.count()

    prompt = Prompt.objects.filter(campaigns=duel).first()
    first, second = (
        Response.objects.create(prompt=prompt, policy=policy, text=policy.slug)
        for policy in (run.policy, run.parent)
    )
    create_comparisons(campaign=duel, pairs=[(first, second)])
    judge(alice, duel, preference=-2)
    result = compared(duel, run.policy)
    assert (result.wins, result.losses, result.unanswered) == (1, 0, 0)


def test_writers_are_offered_two_different_responses_of_the_campaigns_policies(
    alice, campaign, base
):
    campaign.kind = Campaign.Kind.DEMONSTRATION
    campaign.save()
    campaign.entrants.create(policy=base, responses=3)
    [prompt] = [Prompt.objects.create(messages=[{"role": "user", "content": "Why?"}], digest="d")]
    request_responses(campaign=campaign, prompts=[prompt])
    texts = ["So.", "So.", "Because."]
    for request, text in zip(ResponseRequest.objects.order_by("number"), texts, strict=True):
        response = Response.objects.create(prompt=prompt, policy=base, text=text)
        ResponseRequest.objects.filter(pk=request.pk).update(response=response, status="done")
    pair_prompts(campaign=campaign, prompts=[prompt])
    slot = claim_prompt(labeler=alice, campaign=campaign, now=timezone.now())
    assert [response.text for response in slot.offered] == ["So.", "Because."]
    assert not Assignment.objects.exists()
