"""Scores over HTTP: asked of a worker, told in the order asked."""

import signal
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.models import Scope
from labeling.services.tokens import make_token
from rewardmodel.api import MOST_ROWS
from rewardmodel.models import RewardModel, ScoreRequest
from rewardmodel.services import scoring
from rewardmodel.tasks import score
from tests.cast import trained
from tests.tiny_model import make_tiny_model

ROW = {"prompt": [{"role": "user", "content": "the cat sat"}], "response": "please"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("scored"))


@pytest.fixture
def run(campaign, policy):
    return trained(campaign, policy, checkpoint="file:///nowhere")


@pytest.fixture
def worker():
    """A worker that answers at once, in this process."""
    from config.celery import app

    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def ask(client, erin):
    client.force_login(erin)

    def post(run, rows):
        address = reverse("rewardmodel:scores", args=[run.pk])
        return client.post(address, {"rows": rows}, content_type="application/json")

    return post


def test_a_worker_scores_as_the_model_itself(ask, run, worker, tiny, tmp_path):
    from rewardmodel.learning.__main__ import main
    from rewardmodel.learning.artifact import load_scorer
    from tests.rewardmodel.learning.planted import planted_rows, write_run

    directory = write_run(tmp_path / "run", tiny, planted_rows(100), heads=3, epochs=2)
    previous = signal.getsignal(signal.SIGTERM)
    assert main(directory) == 0
    signal.signal(signal.SIGTERM, previous)
    RewardModel.objects.update(checkpoint=f"file://{directory}/result")
    rows = [ROW, {**ROW, "response": "no"}]
    answer = ask(run, rows)
    assert answer.status_code == 200
    scorer = load_scorer(directory / "result")
    told = scorer.judge([row["prompt"] for row in rows], [row["response"] for row in rows])
    assert answer.json() == {
        "reward_model": run.pk,
        "scores": [{"score": value, "uncertainty": unsure} for value, unsure in told],
    }


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [ROW] * (MOST_ROWS + 1),
        [{**ROW, "response": " "}],
        [{**ROW, "prompt": []}],
        [{**ROW, "prompt": [{"role": "judge", "content": "x"}]}],
        [{"prompt": "text"}],
    ],
)
def test_what_can_not_be_scored_is_refused_before_anybody_works(ask, run, rows):
    assert ask(run, rows).status_code == 400


def test_an_unfinished_model_and_a_lost_one_are_said_in_a_sentence(ask, run, worker):
    lost = ask(run, [ROW])
    assert lost.status_code == 422
    assert "does not exist" in lost.json()["detail"]
    RewardModel.objects.update(status="queued")
    unfinished = ask(run, [ROW])
    assert (unfinished.status_code, unfinished.json()["detail"]) == (
        409,
        "The reward model is not trained yet; wait until it is.",
    )


def test_with_a_busy_worker_or_without_a_broker_the_answer_is_to_ask_again(ask, run, monkeypatch):
    monkeypatch.setattr(scoring, "PATIENCE", 0.3)
    for sent in (lambda *_, **__: None, scoring.score.apply_async):
        monkeypatch.setattr(scoring.score, "apply_async", sent)
        answer = ask(run, [ROW])
        assert answer.status_code == 503
        assert "ask again in a minute" in answer.json()["detail"]
    assert not ScoreRequest.objects.exists()


def test_rows_whose_reader_went_away_are_removed_and_answering_them_is_no_error(ask, run, worker):
    long_ago = timezone.now() - timedelta(hours=2)
    left = ScoreRequest.objects.create(reward_model=run, rows=[ROW], created_at=long_ago)
    ask(run, [ROW])
    assert not ScoreRequest.objects.exists()
    score(left.pk)


def test_a_token_that_may_read_may_ask_for_scores(client, run, erin, alice, worker):
    address = reverse("rewardmodel:scores", args=[run.pk])
    for owner, status in ((erin, 422), (alice, 403)):
        _, text = make_token(owner=owner, name="x", scopes=[Scope.READ], days=1, now=timezone.now())
        answer = client.post(
            address,
            {"rows": [ROW]},
            content_type="application/json",
            headers={"Authorization": f"Bearer {text}"},
        )
        assert answer.status_code == status
