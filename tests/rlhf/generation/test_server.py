"""Asking servers over HTTP: a scripted server on loopback here, a real vLLM at the end."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rlhf.generation.persistence import ServerDown
from rlhf.generation.protocol import Generated, Sampling
from rlhf.generation.server import PolicyNotServed, VllmServers

QUESTION = [{"role": "user", "content": "Say yes."}]


class ScriptedServer(ThreadingHTTPServer):
    """Answers like vLLM's server; `failures` are the statuses it gives first."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, policies: tuple[str, ...] = ("smollm2-v0",)) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.policies = policies
        self.failures: list[int] = []
        self.requests: list[dict] = []
        self.together = 0
        self.most_together = 0
        self.lock = threading.Lock()
        self.full = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def log_message(self, *arguments: object) -> None:
        """Keep the test output quiet."""

    def do_GET(self) -> None:
        if self.path == "/version":
            return self.reply(200, {"version": "0.32.0"})
        return self.reply(200, {"data": [{"id": policy} for policy in self.server.policies]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.requests.append(asked)
            server.together += 1
            server.most_together = max(server.most_together, server.together)
            failure = server.failures.pop(0) if server.failures else None
            if server.together == 8:
                server.full.set()
        if asked["messages"][0]["content"].startswith("together"):
            server.full.wait(timeout=5)
        with server.lock:
            server.together -= 1
        if failure is not None:
            return self.reply(failure, {"error": {"message": "no"}})
        choice = {
            "message": {"content": asked["messages"][-1]["content"].upper()},
            "finish_reason": "stop",
            "token_ids": [5, 2],
        }
        return self.reply(200, {"choices": [choice], "usage": {"completion_tokens": 2}})

    def reply(self, status: int, body: dict) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    yield from running(ScriptedServer())


@pytest.fixture
def other_server() -> Iterator[ScriptedServer]:
    yield from running(ScriptedServer(("smollm2-v0", "smollm2-v1")))


def running(server: ScriptedServer) -> Iterator[ScriptedServer]:
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def client(*urls: str, attempts: int = 3) -> VllmServers:
    return VllmServers(urls, attempts=attempts, first_delay=0.01)


def test_answers_come_back_in_the_order_of_the_questions(server):
    asked = [[{"role": "user", "content": f"number {i}"}] for i in range(20)]
    answers = client(server.url).generate("smollm2-v0", asked, [Sampling()] * 20)
    assert [answer.text for answer in answers] == [f"NUMBER {i}" for i in range(20)]
    assert answers[0] == Generated("NUMBER 0", (5, 2), 2, "stop")


def test_each_answer_has_its_own_seed_and_sampling(server):
    wanted = [Sampling(temperature=0.5, top_p=0.9, max_tokens=7, seed=i) for i in range(4)]
    client(server.url).generate("smollm2-v0", [QUESTION] * 4, wanted)
    sent = sorted(server.requests, key=lambda request: request["seed"])
    assert [request["seed"] for request in sent] == [0, 1, 2, 3]
    assert {(r["temperature"], r["top_p"], r["max_tokens"]) for r in sent} == {(0.5, 0.9, 7)}


def test_requests_are_in_flight_together_so_that_the_batch_is_full(server):
    asked = [[{"role": "user", "content": "together"}]] * 8
    client(server.url).generate("smollm2-v0", asked, [Sampling()] * 8)
    assert server.most_together == 8


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, status):
    server.failures = [status, status]
    answers = client(server.url).generate("smollm2-v0", [QUESTION], [Sampling()])
    assert answers[0].text == "SAY YES."
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_down(server):
    server.failures = [503] * 3
    with pytest.raises(ServerDown, match="answered 503, after 3 attempts"):
        client(server.url).generate("smollm2-v0", [QUESTION], [Sampling()])


def test_a_server_that_is_not_there_is_down():
    with pytest.raises(ServerDown, match="does not answer"):
        client("http://127.0.0.1:9/v1").generate("smollm2-v0", [QUESTION], [Sampling()])


def test_what_was_answered_before_a_failure_is_handed_over(server):
    done: dict[int, Generated] = {}
    servers = VllmServers([server.url], in_flight=1, attempts=1)
    asked = [[{"role": "user", "content": f"number {i}"}] for i in range(3)]

    def keep(position: int, answer: Generated) -> None:
        done[position] = answer
        server.failures = [503] * 3

    with pytest.raises(ServerDown):
        servers.generate("smollm2-v0", asked, [Sampling()] * 3, on_result=keep)
    assert done[0].text == "NUMBER 0"


def test_a_prompt_the_server_will_not_take_does_not_stop_the_others(server):
    server.failures = [400]
    answers = VllmServers([server.url], in_flight=1).generate(
        "smollm2-v0", [QUESTION] * 2, [Sampling()] * 2
    )
    assert [answer.finish_reason for answer in answers] == ["refused", "stop"]
    assert answers[0].text == ""


def test_a_policy_nobody_serves_is_named(server):
    with pytest.raises(PolicyNotServed, match="'smollm2-v9'; they offer smollm2-v0"):
        client(server.url).generate("smollm2-v9", [QUESTION], [Sampling()])


def test_a_policy_on_two_servers_is_asked_from_both(server, other_server):
    servers = client(server.url, other_server.url)
    servers.generate("smollm2-v0", [QUESTION] * 6, [Sampling()] * 6)
    assert len(server.requests) == len(other_server.requests) == 3
    assert servers.policies() == {"smollm2-v0": server.url, "smollm2-v1": other_server.url}


def test_when_one_of_two_servers_fails_the_other_answers(server, other_server):
    server.failures = [500] * 10
    answers = client(server.url, other_server.url).generate(
        "smollm2-v0", [QUESTION] * 4, [Sampling()] * 4
    )
    assert [answer.text for answer in answers] == ["SAY YES."] * 4


def test_health_tells_version_policies_and_latency(server):
    (health,) = client(server.url).health()
    assert (health.version, health.policies) == ("0.32.0", ("smollm2-v0",))
    assert 0 < health.latency < 5


def test_health_of_a_server_that_is_away_is_a_sentence(server):
    with pytest.raises(ServerDown, match="9/v1/models does not answer"):
        client(server.url, "http://127.0.0.1:9/v1").health()


def test_no_server_at_all_names_the_setting():
    with pytest.raises(ValueError, match="VLLM_BASE_URL"):
        VllmServers([])


@pytest.mark.vllm
@pytest.mark.slow
def test_a_real_server_answers_many_questions_at_once_with_seeds_and_counts(vllm_server):
    servers = VllmServers([vllm_server])
    france = [{"role": "user", "content": "What is the capital of France?"}]
    greedy = Sampling(temperature=0.0, max_tokens=16)
    seeded = [Sampling(seed=seed, max_tokens=12) for seed in (1, 1, 2)]
    answers = servers.generate("smollm2-v0", [france] * 4, [greedy, *seeded])
    assert "Paris" in answers[0].text
    assert answers[1].token_ids == answers[2].token_ids != answers[3].token_ids
    for answer in answers:
        assert answer.finish_reason in ("stop", "length")
        assert 0 < answer.token_count == len(answer.token_ids)
    assert servers.health()[0].version.startswith("0.")


@pytest.mark.vllm
@pytest.mark.slow
def test_a_real_server_refuses_a_prompt_beyond_its_context_without_stopping_the_rest(vllm_server):
    long = [{"role": "user", "content": "word " * 2000}]
    refused, answered = VllmServers([vllm_server]).generate(
        "smollm2-v0", [long, QUESTION], [Sampling(max_tokens=4)] * 2
    )
    assert refused.finish_reason == "refused"
    assert answered.text
