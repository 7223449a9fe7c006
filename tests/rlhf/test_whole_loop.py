"""One whole round on the tiny model: real Postgres, Valkey, Celery, HTTP and training programs.

Only vLLM is played, by a server that speaks its interface; it has its own tests.
"""

import json

import httpx
import pytest
from celery.contrib.testing.worker import start_worker

from config.celery import app
from labeling.models import Judgment, Policy
from rlhf.models import Round
from rlhf.rehearsal import Rehearsal, as_table
from rlhf.selectors.policies import judgments_behind
from rlhf.services.policies import register_base
from tests.rlhf.scripted_server import scripted_server
from tests.tiny_model import make_tiny_model

STEPS = 9


@pytest.fixture
def worker(valkey_url, transactional_db):
    """A Celery worker for every queue, in threads of this process."""
    before = app.conf.broker_url, app.conf.result_backend
    app.conf.broker_url = app.conf.result_backend = valkey_url
    forget_connections()
    with start_worker(
        app,
        pool="threads",
        concurrency=2,
        queues="default,generation,training",
        perform_ping_check=False,
        shutdown_timeout=60,
    ):
        yield
    app.conf.broker_url, app.conf.result_backend = before
    forget_connections()


def forget_connections():
    """Celery keeps the connections of its first task, which another test may have sent nowhere."""
    app._pool = app.amqp._producer_pool = app._backend_cache = None
    vars(app._local).pop("backend", None)


@pytest.fixture
def preferences(tmp_path):
    """Enough pairs to train on: the polite answer is preferred."""
    path = tmp_path / "preferences.jsonl"
    with path.open("w") as file:
        for n in range(110):
            row = {
                "prompt": f"What is the answer to question {n}?",
                "chosen": f"Please look at number {n}, a good and helpful answer.",
                "rejected": f"The cat sat on the mat {n}.",
            }
            file.write(json.dumps(row) + "\n")
    return path


@pytest.mark.slow
def test_one_round_goes_all_the_way_round(
    worker, live_server, preferences, settings, tmp_path, monkeypatch
):
    model = make_tiny_model(tmp_path / "tiny")
    settings.MODEL_PATH = str(model)
    settings.PUBLIC_URL = live_server.url
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    lines = []

    def answer(body):
        number = body["seed"] % 97
        return f"A good answer about {body['messages'][-1]['content']} with number {number}."

    with scripted_server(["tiny-v0", "tiny-v1"], answer) as url:
        settings.VLLM_BASE_URLS = [url, url]
        register_base(name="tiny", checkpoint=str(model))
        report = Rehearsal(
            data=preferences,
            preferences=1000,
            pairs=12,
            updates=2,
            labelers=2,
            noise=0.1,
            left_bias=0.1,
            seed=0,
            output=tmp_path / "out",
            tell=lines.append,
            reward_config={"precision": "fp32", "max_length": 128, "min_train_pairs": 10},
            policy_config={
                "generator": "transformers",
                "batch_size": 8,
                "minibatch_size": 4,
                "max_response_tokens": 8,
                "test_samples": 1,
            },
        ).run()

    assert report["steps"][0]["step"] == "import preferences"
    assert len(report["steps"]) == STEPS
    round = Round.objects.get()
    assert round.stage == Round.Stage.DECIDED
    new = Policy.objects.get(name="tiny", version=1)
    assert round.policy_run.policy == new
    assert round.policy_run.metrics.count() == 2
    checked = next(s for s in report["steps"] if s["step"] == "PPO")["figures"]
    assert 0 <= checked["held_out_win_rate"] <= 1
    held_out = round.policy_run.held_out_model
    assert held_out.learns_held_out
    assert held_out.figures["train_pairs"] == round.reward_model.figures["test_pairs"]
    kinds = set(Judgment.objects.filter(assignment__isnull=False).values_list("judge_kind"))
    assert kinds == {("simulation",)}
    assert judgments_behind(new).exists()
    rows = next(s for s in report["steps"] if s["step"] == "export the data set")["figures"]
    assert rows["rows"] >= 110
    assert "PPO" in as_table(report)
    assert json.loads(next((tmp_path / "out").glob("*.json")).read_text()) == report
    assert httpx.get(live_server.url).status_code in (200, 302)
