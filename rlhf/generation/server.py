"""vLLM servers, or any others that speak OpenAI's chat completions, over HTTP."""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx

from rlhf.generation.persistence import (
    FIRST_DELAY,
    ServerDown,
    answered,
    backed_off,
    delays,
    server_of,
)
from rlhf.generation.protocol import Generated, Message, Sampling

IN_FLIGHT = 32  # requests at once to each server: enough to keep its batch full
ATTEMPTS = 6
TIMEOUT = httpx.Timeout(600.0, connect=5.0)  # a loaded CPU server answers slowly
PROBE_TIMEOUT = httpx.Timeout(5.0)
UNACCEPTABLE_PROMPT = {400, 413, 422}

OnResult = Callable[[int, Generated], None]


class PolicyNotServed(LookupError):
    """The servers answer, and none of them has the policy that was asked for."""


@dataclass(frozen=True)
class ServerHealth:
    """A server that answers: what it runs, which policies it has and how fast it replied."""

    url: str
    version: str
    policies: tuple[str, ...]
    latency: float  # seconds


class VllmServers:
    """One or several servers, each with its own policies; a policy may be on several of them."""

    def __init__(
        self,
        urls: Sequence[str],
        api_key: str = "",
        *,
        in_flight: int = IN_FLIGHT,
        attempts: int = ATTEMPTS,
        first_delay: float = FIRST_DELAY,
    ) -> None:
        if not urls:
            raise ValueError("No vLLM server is configured: set VLLM_BASE_URL.")
        self.urls = [url.rstrip("/") for url in urls]
        self.in_flight = in_flight
        self.attempts = attempts
        self.first_delay = first_delay
        self.headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def policies(self) -> dict[str, str]:
        """The policies that can be asked now, each with the first server that has it.

        A server that does not answer is left out; ServerDown when none answers.
        """
        return {policy: urls[0] for policy, urls in self._servers_by_policy().items()}

    def address_of(self, policy: str) -> str:
        """A server that has a policy, another one from time to time where several have it.

        Raises:
            PolicyNotServed, ServerDown.
        """
        return random.choice(self._urls_of(policy))

    def health(self) -> list[ServerHealth]:
        """Every server's version, policies and latency; ServerDown when any does not answer."""
        return [self._health_of(url) for url in self.urls]

    def generate(
        self,
        policy: str,
        conversations: Sequence[list[Message]],
        sampling: Sequence[Sampling],
        on_result: OnResult | None = None,
    ) -> list[Generated]:
        """Answer each conversation once with one policy, many requests at a time.

        Args:
            policy: the name under which the servers offer the model.
            conversations: what was said so far, one list of messages per answer wanted.
            sampling: how each answer is drawn, as many as conversations.
            on_result: called in this thread with (position, answer) as soon as an answer is
                there, in any order, so that finished work survives a later failure.

        Raises:
            PolicyNotServed: no server that answers has the policy.
            ServerDown: the servers stayed away through all attempts.
        """
        urls = self._urls_of(policy)
        answers: dict[int, Generated] = {}
        workers = self.in_flight * len(urls)
        with (
            httpx.Client(timeout=TIMEOUT, headers=self.headers, limits=_limits(workers)) as client,
            ThreadPoolExecutor(workers, thread_name_prefix="vllm") as pool,
        ):
            futures = {
                pool.submit(self._answer, client, _rotated(urls, i), policy, messages, how): i
                for i, (messages, how) in enumerate(zip(conversations, sampling, strict=True))
            }
            try:
                for future in as_completed(futures):
                    answers[futures[future]] = future.result()
                    if on_result is not None:
                        on_result(futures[future], future.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [answers[i] for i in range(len(conversations))]

    def _answer(
        self,
        client: httpx.Client,
        urls: list[str],
        policy: str,
        messages: list[Message],
        sampling: Sampling,
    ) -> Generated:
        """One answer, from the first of `urls` that gives it; later attempts ask the others."""
        request = chat_request(policy, messages, sampling)
        response = answered(
            lambda attempt: client.post(
                f"{urls[attempt % len(urls)]}/chat/completions", json=request
            ),
            delays(self.attempts, self.first_delay),
        )
        if response.status_code == 200:
            return _generated(response.json())
        if response.status_code in UNACCEPTABLE_PROMPT:
            return Generated("", (), 0, "refused")
        raise _complaint(policy, response)

    def _urls_of(self, policy: str) -> list[str]:
        """The servers that have a policy; a server down at first is asked a few times."""
        for attempt in range(self.attempts):
            try:
                servers = self._servers_by_policy()
                break
            except ServerDown:
                if attempt + 1 == self.attempts:
                    raise
                time.sleep(backed_off(attempt, self.first_delay))
        if policy not in servers:
            raise PolicyNotServed(
                f"No vLLM server offers the policy {policy!r}; they offer "
                f"{', '.join(sorted(servers)) or 'nothing'}."
            )
        return servers[policy]

    def _servers_by_policy(self) -> dict[str, list[str]]:
        servers: dict[str, list[str]] = {}
        complaints = []
        for url in self.urls:
            try:
                models = self._get(f"{url}/models")
            except ServerDown as down:
                complaints.append(str(down))
                continue
            for model in models["data"]:
                servers.setdefault(model["id"], []).append(url)
        if len(complaints) == len(self.urls):
            raise ServerDown(" ".join(complaints))
        return servers

    def _health_of(self, url: str) -> ServerHealth:
        began = time.perf_counter()
        models = self._get(f"{url}/models")
        latency = time.perf_counter() - began
        policies = tuple(model["id"] for model in models["data"])
        return ServerHealth(url, self._version_of(url), policies, latency)

    def _version_of(self, url: str) -> str:
        """The server's version; other OpenAI-compatible servers do not tell theirs."""
        try:
            return str(self._get(f"{url.removesuffix('/v1')}/version")["version"])
        except (ServerDown, KeyError):
            return "unknown"

    def _get(self, url: str) -> dict[str, Any]:
        try:
            response = httpx.get(url, headers=self.headers, timeout=PROBE_TIMEOUT)
            response.raise_for_status()
            return response.json()
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            hint = " (check VLLM_API_KEY)" if status in (401, 403) else ""
            raise ServerDown(f"The vLLM server at {url} answered {status}{hint}.") from error
        except (httpx.TransportError, ValueError) as error:
            reason = type(error).__name__
            raise ServerDown(f"The vLLM server at {url} does not answer ({reason}).") from error


def chat_request(policy: str, messages: list[Message], sampling: Sampling) -> dict[str, Any]:
    """The body of one request for one answer."""
    return {
        "model": policy,
        "messages": messages,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "return_token_ids": True,  # vLLM's own field; other servers ignore it
    }


def _generated(body: dict[str, Any]) -> Generated:
    choice = body["choices"][0]
    return Generated(
        text=choice["message"]["content"] or "",
        token_ids=tuple(choice.get("token_ids") or ()),
        token_count=body["usage"]["completion_tokens"],
        finish_reason=choice["finish_reason"],
    )


def _complaint(policy: str, response: httpx.Response) -> Exception:
    """What is wrong with a response that is neither an answer nor about the prompt."""
    status, url = response.status_code, server_of(response.request)
    if status in (401, 403):
        return ServerDown(f"The vLLM server at {url} refuses the key: check VLLM_API_KEY.")
    if status == 404:
        return PolicyNotServed(f"The vLLM server at {url} no longer offers the policy {policy!r}.")
    return ServerDown(f"The vLLM server at {url} answered {status}: {response.text[:200]}")


def _rotated(urls: list[str], position: int) -> list[str]:
    """The same servers, starting with another one for every request, so that all have work."""
    start = position % len(urls)
    return [*islice(urls, start, None), *islice(urls, start)]


def _limits(connections: int) -> httpx.Limits:
    return httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
