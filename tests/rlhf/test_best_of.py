"""Best of n: answers from a server, scores from a reward model, demonstrations from both."""

import json
import signal

import pytest
from django.urls import reverse

from labeling import artifacts, errors
from labeling.models import Act, AuditEvent, Demonstration
from labeling.splits import split_of
from rewardmodel.learning.artifact import load_scorer
from rewardmodel.learning.rundirectory import RunDirectory
from rewardmodel.models import RewardModel
from rewardmodel.runs import TrainingRun
from rewardmodel.services.announcements import PAGES
from rlhf.generation.best_of import main
from rlhf.models import BestOfRun
from rlhf.services.best_of import freeze_best, prepare, start_best_of
from rlhf.tasks import choose_best
from tests.cast import ask, trained
from tests.rewardmodel.learning.planted import planted_rows, write_run
from tests.rlhf.scripted_server import scripted_server
from tests.tiny_model import make_tiny_model

WORDS = ["please", "cat", "mat rain", "please please the mat"]


def by_seed(body):
    return WORDS[body["seed"] % len(WORDS)]


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """The folder of a reward model that likes "please"."""
    from rewardmodel.learning.__main__ import main as learn

    previous = signal.getsignal(signal.SIGTERM)
    folder = tmp_path_factory.mktemp("judge")
    told = {"epochs": 3, "learning_rate": 3e-3, "batch_size": 16, "trainable": "full"}
    run = write_run(folder / "run", make_tiny_model(folder / "tiny"), planted_rows(240), **told)
    assert learn(run) == 0
    signal.signal(signal.SIGTERM, previous)
    return run / "result"


@pytest.fixture(autouse=True)
def own_place(settings, tmp_path):
    previous = signal.getsignal(signal.SIGTERM)
    settings.ARTIFACTS_URL = f"file://{tmp_path}/artifacts"
    settings.VAR = tmp_path
    yield
    signal.signal(signal.SIGTERM, previous)


@pytest.fixture
def directory(judge, tmp_path):
    """A run directory, as a caller lays it out."""
    folder = tmp_path / "run"
    folder.mkdir()
    rows = [{"id": n, "prompt": [{"role": "user", "content": f"the cat {n}"}]} for n in range(1, 8)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def with_server(url, **settings):
        config = {"model": str(judge), "policy": "parrot-v0", "servers": [url], "n": 4, **settings}
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return with_server


def result(folder):
    return json.loads((folder / "result" / "result.json").read_text())


def test_every_prompt_gets_n_answers_and_the_best_one_is_what_the_judge_likes(directory, judge):
    with scripted_server(["parrot-v0"], by_seed) as url:
        folder = directory(url, prompts_at_once=3)
        assert main([str(folder)]) == 0
    rows = [json.loads(line) for line in (folder / "result" / "answers.jsonl").open()]
    assert [row["id"] for row in rows] == list(range(1, 8))
    scorer = load_scorer(judge)
    for row in rows:
        prompt = [{"role": "user", "content": f"the cat {row['id']}"}]
        said = [answer["text"] for answer in row["answers"]]
        assert sorted(said) == sorted(WORDS)  # four seeds in a row
        assert [a["score"] for a in row["answers"]] == pytest.approx(
            scorer.score([prompt] * 4, said), abs=0.05
        )
    found = result(folder)
    assert (found["n"], found["prompts"], found["left_out"], found["ended"]) == (4, 7, 0, 1.0)
    assert found["gain"] > found["gain_se"] > 0
    assert found["kl"] == pytest.approx(0.6363, abs=1e-4)
    assert [row["step"] for row in RunDirectory(folder).metrics()] == [3, 6, 7]


def test_a_run_that_was_stopped_asks_nothing_twice(directory, monkeypatch):
    asked = []

    def counting(body):
        asked.append(body["messages"][-1]["content"])
        if len(asked) == 8:  # the first two prompts
            RunDirectory._ask_to_stop(*going, 15, None)
        return by_seed(body)

    going = []
    begin = RunDirectory.begin
    monkeypatch.setattr(
        RunDirectory, "begin", lambda run, **more: (going.append(run), begin(run, **more))[1]
    )
    with scripted_server(["parrot-v0"], counting) as url:
        folder = directory(url, prompts_at_once=2)
        assert main([str(folder)]) == 75
        with (folder / "answers.jsonl").open("a") as file:
            file.write('{"id": 3, "answers": [{"te')  # a kill in the middle of a line
        assert main([str(folder)]) == 0
    assert len(asked) == 7 * 4
    assert result(folder)["prompts"] == 7


def test_prompts_with_silent_answers_are_left_out_and_counted(directory):
    def silent(body):
        return "" if body["messages"][-1]["content"][-1] == "3" else by_seed(body)

    with scripted_server(["parrot-v0"], silent) as url:
        folder = directory(url)
        assert main([str(folder)]) == 0
    assert (result(folder)["prompts"], result(folder)["left_out"]) == (6, 1)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"n": 1}, "n is 1; it must be from 2 to 256."),
        ({"temperature": 0}, "temperature must be above 0"),
        ({"policy": "owl-v3"}, "No vLLM server offers the policy 'owl-v3'"),
        ({"model": "/nowhere"}, "no reward model in /nowhere"),
        ({"top_k": 3}, "unknown settings: top_k"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_sentence(directory, capsys, changed, sentence):
    with scripted_server(["parrot-v0"], by_seed) as url:
        assert main([str(directory(url, **changed))]) == 1
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]


def test_every_kind_of_run_has_a_page_that_its_end_is_announced_with():
    kinds = {kind._meta.model_name for kind in TrainingRun.__subclasses__()}
    assert kinds == PAGES.keys()


class TestRuns:
    @pytest.fixture
    def reward_model(self, campaign, policy, judge):
        for n in range(40):
            campaign.prompts.add(ask(f"the cat {n}"))
        return trained(campaign, policy, checkpoint=f"file://{judge}")

    @pytest.fixture
    def chosen(self, reward_model, policy, erin, settings):
        """A finished run over all forty prompts."""
        run = start_best_of(
            reward_model=reward_model, policy=policy, by=erin, prompts=100, config={"n": 4}
        )
        with scripted_server(["parrot-v0"], by_seed) as url:
            settings.VLLM_BASE_URLS = [url]
            choose_best(run.pk)
        run.refresh_from_db()
        assert run.status == "succeeded", run.error
        return run

    def test_the_best_answers_become_demonstrations_by_an_ai_once(self, chosen, campaign, erin):
        snapshot = freeze_best(run=chosen, by=erin)
        assert freeze_best(run=chosen, by=erin) == snapshot
        made = Demonstration.objects.filter(campaign=campaign)
        assert made.count() == 40
        assert {(each.author_kind, each.policy) for each in made} == {("ai", chosen.policy)}
        with artifacts.open_artifact(snapshot.artifact_url) as file:
            rows = [json.loads(line) for line in file]
        assert len(rows) == 40
        assert all("please" in row["completion"] for row in rows)
        prompts = {prompt.messages[0]["content"]: prompt for prompt in campaign.prompts.all()}
        for row in rows:
            assert row["split"] == split_of(prompts[row["prompt"][0]["content"]].digest)
        assert snapshot.recipe["best_of"] == {
            "run": chosen.pk,
            "n": 4,
            "policy": "parrot-v0",
            "reward_model": chosen.reward_model_id,
        }

    def test_an_answer_of_nothing_but_nul_becomes_no_demonstration(
        self, reward_model, policy, erin, settings
    ):
        def speechless(body):
            return "\x00" if body["messages"][-1]["content"].endswith("3") else by_seed(body)

        run = start_best_of(
            reward_model=reward_model, policy=policy, by=erin, prompts=100, config={"n": 2}
        )
        with scripted_server(["parrot-v0"], speechless) as url:
            settings.VLLM_BASE_URLS = [url]
            choose_best(run.pk)
        run.refresh_from_db()
        freeze_best(run=run, by=erin)
        made = Demonstration.objects.values_list("prompt__messages", flat=True)
        said = {messages[0]["content"] for messages in made}
        assert said == {f"the cat {n}" for n in range(40) if n % 10 != 3}

    def test_starting_is_audited_and_needs_a_finished_model_and_prompts(
        self, reward_model, policy, erin, campaign
    ):
        def start():
            return start_best_of(reward_model=reward_model, policy=policy, by=erin, prompts=4)

        run = start()
        event = AuditEvent.objects.get(act=Act.BEST_OF_STARTED)
        assert (event.actor, event.campaign, event.subject_id) == (erin, campaign, str(run.pk))
        campaign.prompts.clear()
        with pytest.raises(errors.NotReady, match="no prompts"):
            start()
        RewardModel.objects.update(status="running", claim_key="0" * 32)
        reward_model.refresh_from_db()
        with pytest.raises(errors.NotReady, match="not trained"):
            start()

    def test_without_answers_nothing_is_frozen(self, reward_model, policy, erin):
        run = start_best_of(reward_model=reward_model, policy=policy, by=erin, prompts=4)
        with pytest.raises(errors.NotReady, match="no answers yet"):
            freeze_best(run=run, by=erin)
        assert not Demonstration.objects.exists()

    def test_a_resumed_run_keeps_its_prompts_and_gets_only_as_many_as_asked(
        self, reward_model, policy, erin, campaign, tmp_path
    ):
        run = start_best_of(reward_model=reward_model, policy=policy, by=erin, prompts=4)
        prepare(run, tmp_path)
        before = (tmp_path / "data.jsonl").read_text()
        assert len(before.splitlines()) == 4
        campaign.prompts.clear()
        prepare(run, tmp_path)
        assert (tmp_path / "data.jsonl").read_text() == before
        assert "prompts" not in json.loads((tmp_path / "config.json").read_text())

    def test_the_pages_lead_from_the_judge_to_a_taught_policy(
        self, client, chosen, reward_model, policy, erin
    ):
        client.force_login(erin)
        form = reverse("rlhf:best_of", args=[reward_model.pk])
        assert client.get(form).status_code == 200
        assert client.post(form, {"policy": policy.pk, "n": 1, "prompts": 9}).status_code == 422
        sent = client.post(form, {"policy": policy.pk, "n": 2, "prompts": 9})
        started = BestOfRun.objects.latest("pk")
        assert sent.url == reverse("rlhf:best_of_run", args=[started.pk])
        assert started.config == {"n": 2, "prompts": 9}
        shown = client.get(reverse("rlhf:best_of_run", args=[chosen.pk])).content.decode()
        assert "0.636" in shown
        assert "log n" in shown
        frozen = client.post(reverse("rlhf:best_of_freeze", args=[chosen.pk]))
        chosen.refresh_from_db()
        assert frozen.url == reverse("rlhf:teach", args=[chosen.snapshot_id])
