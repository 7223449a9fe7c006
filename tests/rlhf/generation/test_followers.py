"""Real vLLM servers that follow a policy by its adapter, and what happens when they do not."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import torch
from transformers import AutoTokenizer

from rewardmodel.learning.rundirectory import EXIT_DONE, EXIT_FAILED
from rlhf.generation.followers import Followers
from rlhf.generation.guard import WeightsDiffer
from rlhf.generation.persistence import ServerDown
from rlhf.learning import __main__ as program
from rlhf.learning.adapters import weights_changed
from rlhf.learning.policy import Policy
from rlhf.learning.rollouts import freeze, generate
from rlhf.learning.settings import PPOTraining
from tests.rlhf.learning.test_program import lines, prepared
from tests.tiny_model import make_tiny_model
from tests.vllm_fixtures import free_port, serving

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
OPTIONS = ["--max-model-len", "256", "--dtype", "float32", "--enable-lora", "--max-lora-rank", "8"]
OPTIONS += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", "512"]
PROCESSED = ["--logprobs-mode", "processed_logprobs"]
RELOADING = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("policy"))


class Machine:
    """Where one server at a time is started, always under the same address."""

    def __init__(self, model: Path, log: Path) -> None:
        self.model, self.log, self.port = model, log, free_port()
        self.running = ExitStack()

    def start(self, *options: str) -> str:
        """Start a server in the place of the one before; returns its address."""
        self.running.close()
        server = serving(self.model, self.port, self.log, *OPTIONS, *options, **RELOADING)
        return self.running.enter_context(server)


@pytest.fixture(scope="module")
def machine(tiny, tmp_path_factory) -> Iterator[Machine]:
    machine = Machine(tiny, tmp_path_factory.mktemp("vllm") / "server.log")
    yield machine
    machine.running.close()


@pytest.fixture(scope="module")
def server(machine) -> str:
    return machine.start(*PROCESSED)


@pytest.fixture
def policy(tiny) -> Policy:
    return Policy.load(tiny, "lora", 8, precision="fp32")


@pytest.fixture
def followers(server, tiny, policy, tmp_path) -> Followers:
    """A server with the parent's weights and an adapter that changes nothing."""
    followers = Followers([server], tiny, 256, tmp_path / "adapters", patience=1.0)
    followers.sync(policy)
    return followers


def disturb(policy: Policy, seed: int = 0) -> None:
    source = torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_b" in name:
                weight += 0.3 * torch.randn(weight.shape, generator=source)
    weights_changed(policy)


def models_at(server: str) -> set[str]:
    return {model["id"] for model in httpx.get(f"{server}/models").json()["data"]}


def test_the_same_seed_gives_the_same_answer_and_every_token_its_probability(followers):
    first, again, other = generate(followers, [QUESTION] * 3, [1, 1, 2], 16, 1.0)
    assert first == again
    assert first.token_ids != other.token_ids
    assert first.token_count == len(first.token_ids) == len(first.logprobs)


def test_server_and_trainer_give_a_sampled_token_nearly_the_same_probability(
    followers, policy, tiny
):
    disturb(policy)
    followers.sync(policy)
    policy.temperature = 0.7
    answers = generate(followers, [QUESTION] * 4, [1, 2, 3, 4], 24, 0.7)
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    seen = freeze(PPOTraining(), policy, tokenizer, [QUESTION] * 4, answers, [0.0] * 4)
    assert seen.engine_gap < 1e-3


def test_every_sync_brings_a_new_adapter_and_leaves_one_on_the_disk(followers, policy, server):
    for seed in range(2):
        disturb(policy, seed)
        followers.sync(policy)
        assert followers.guard(server) < 0.01
        assert len(list(followers.folder.iterdir())) == 1


def test_the_guard_notices_an_adapter_that_stayed_old(followers, policy, monkeypatch):
    """As where a server takes the new one for the one that it has under this name."""
    disturb(policy)
    monkeypatch.setattr(followers, "_load", lambda url: None)
    with pytest.raises(WeightsDiffer, match="answers with other weights"):
        followers.sync(policy)


def test_the_guard_notices_a_server_with_another_model(server, tiny, policy, tmp_path):
    with torch.no_grad():
        policy.causal_lm.get_input_embeddings().weight.mul_(5)
    with pytest.raises(WeightsDiffer):
        Followers([server], tiny, 256, tmp_path / "adapters").sync(policy)


def test_a_server_that_lost_the_adapter_is_given_it_again(followers, policy, server):
    disturb(policy)
    followers.sync(policy)
    before = generate(followers, [QUESTION], [1], 16, 1.0)
    gone = httpx.post(f"{server}/unload_lora_adapter", json={"lora_name": followers.name})
    assert gone.status_code == 200
    assert generate(followers, [QUESTION] * 4, [1] * 4, 16, 1.0) == before * 4


def test_servers_forget_the_adapter_of_a_run_that_ended(followers, server):
    assert followers.name in models_at(server)
    followers._leave()
    assert followers.name not in models_at(server)
    assert not followers.folder.exists()


def test_a_server_that_stays_away_ends_the_run_with_its_address(tiny, tmp_path):
    with pytest.raises(ServerDown, match=r"127\.0\.0\.1:9/v1 did not answer \(ConnectError\)"):
        Followers(["http://127.0.0.1:9/v1"], tiny, 256, tmp_path, patience=0.1)


def test_a_server_with_too_short_a_context_is_refused(server, tiny, tmp_path):
    with pytest.raises(ValueError, match="serves 256 tokens, and prompt and answer have up to 300"):
        Followers([server], tiny, 300, tmp_path)


def test_an_adapter_that_is_too_large_for_the_server_is_refused(server, tiny, tmp_path):
    followers = Followers([server], tiny, 256, tmp_path / "adapters")
    with pytest.raises(ValueError, match=r"can.t load the policy.s adapter.*--max-lora-rank"):
        followers.sync(Policy.load(tiny, "lora", 16, precision="fp32"))


def run_by(server: str, tiny: Path, path: Path, **settings: object) -> Path:
    """A prepared PPO run that is answered by a server."""
    path.mkdir()
    settings = {"lora_rank": 8, "precision": "fp32", "temperature": 0.7, **settings}
    return prepared(path, tiny, generator="server", server=server, **settings)


@pytest.fixture
def likes_length(monkeypatch) -> None:
    score = lambda conversations, responses: [len(text) / 10 for text in responses]  # noqa: E731
    monkeypatch.setattr(program, "scorer_for", lambda start, tokenizer: score)


def test_a_run_whose_server_is_started_again_in_its_midst_goes_on(
    machine, server, tiny, tmp_path, likes_length, monkeypatch
):
    report = program.RunDirectory.report

    def restarting(self: program.RunDirectory, metrics: dict) -> None:
        report(self, metrics)
        if metrics["step"] == 2:
            machine.start(*PROCESSED)

    monkeypatch.setattr(program.RunDirectory, "report", restarting)
    directory = run_by(server, tiny, tmp_path / "run")
    assert program.main([str(directory)]) == EXIT_DONE
    metrics = lines(directory / "metrics.jsonl")
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    assert max(line["engine_gap"] for line in metrics) < 1e-3
    assert json.loads((directory / "result" / "result.json").read_text())["updates"] == 4


def test_a_run_whose_server_stays_away_fails_with_the_reason(tiny, tmp_path, likes_length, capsys):
    directory = run_by("http://127.0.0.1:9/v1", tiny, tmp_path / "run", server_patience=0.1)
    assert program.main([str(directory)]) == EXIT_FAILED
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("ServerDown: The vLLM server at http://127.0.0.1:9/v1 did not answer")


def test_a_server_that_tells_raw_probabilities_is_refused(
    machine, tiny, tmp_path, likes_length, capsys
):
    """The last test: the servers of the others are gone."""
    url = machine.start()
    assert program.main([str(run_by(url, tiny, tmp_path / "raw"))]) == EXIT_FAILED
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "start it with --logprobs-mode processed_logprobs" in last
