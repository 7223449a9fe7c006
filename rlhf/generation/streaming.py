"""Two answers side by side as they are written, at one pace, so that none tells its author."""

import json
import time
from collections.abc import AsyncIterator, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal

from rlhf.generation.persistence import ServerDown
from rlhf.generation.protocol import Generated, Message, Sampling
from rlhf.generation.server import UNACCEPTABLE_PROMPT, VllmServers, chat_request

FLUENT = 60.0  # characters a second: more than people read
TICK = 0.08  # seconds between two pieces that are shown
# A loaded server may take long to begin, and does not stop for long once it has.
TIMEOUT = httpx.Timeout(120.0, connect=5.0)


class AnswerCut(RuntimeError):
    """A server ended an answer before it was finished."""


class PromptTooLong(ValueError):
    """A server would not take the conversation, most likely because it is too long."""


@dataclass(frozen=True)
class Asked:
    """One answer wanted: from which policy, to what, drawn how."""

    policy: str
    messages: list[Message]
    sampling: Sampling


@dataclass
class Voice:
    """One answer as far as it has come."""

    text: str = ""
    finish_reason: str = ""  # empty while it is being written
    token_count: int = 0

    @property
    def is_done(self) -> bool:
        return bool(self.finish_reason)


@dataclass
class Pace:
    """How many characters of both answers may be seen by now.

    While both are written, as many as both have: the slower one sets the pace. When one has
    ended, the other goes on at the pace that both kept together (and at FLUENT at least), however
    fast it comes, so that nobody can tell the quick author from the slow one.
    """

    shown: int = 0  # characters
    _seconds: float = 0.0  # since the first character
    _alone: float | None = None  # characters a second, once one has ended
    _owed: float = 0.0  # characters that make no whole one yet

    def advance(self, one: Voice, other: Voice, seconds: float) -> None:
        """Let so much time pass."""
        if self._alone is not None:
            self._owed += self._alone * seconds
            step = int(self._owed)
            self._owed -= step
            going = [len(voice.text) for voice in (one, other) if not voice.is_done]
            self.shown = min(self.shown + step, max(len(one.text), len(other.text)), *going)
            return
        self.shown = min(len(one.text), len(other.text))
        self._seconds += seconds if self.shown else 0
        if any(voice.is_done and len(voice.text) == self.shown for voice in (one, other)):
            self._alone = max(self.shown / max(self._seconds, seconds), FLUENT)


def side_by_side(
    servers: VllmServers, one: Asked, other: Asked, tick: float = TICK
) -> Generator[tuple[str, str], None, tuple[Generated, Generated]]:
    """What is new of both answers, every `tick` seconds; two empty texts when nothing is.

    Returns both answers. The requests end with the generator, so closing it stops the servers.

    Raises:
        ServerDown, PolicyNotServed: an answer can't be asked for.
        AnswerCut, PromptTooLong: an answer did not come to its end, or never began.
    """
    addresses = [servers.address_of(asked.policy) for asked in (one, other)]
    voices = (Voice(), Voice())
    pace = Pace()
    with start_blocking_portal() as portal:  # a thread with an event loop, for these two alone
        tasks = [
            portal.start_task_soon(_listen, servers, url, asked, voice)
            for url, asked, voice in zip(addresses, (one, other), voices, strict=True)
        ]
        try:
            while not (all(task.done() for task in tasks) and pace.shown >= _longest(voices)):
                before = pace.shown
                time.sleep(tick)
                _raise_what_went_wrong(tasks)
                pace.advance(*voices, tick)
                new = [voice.text[before : pace.shown] for voice in voices]
                yield new[0], new[1]
        finally:
            for task in tasks:
                task.cancel()
    return _generated(voices[0]), _generated(voices[1])


def _raise_what_went_wrong(tasks: Sequence[Future[None]]) -> None:
    for task in tasks:
        if task.done():
            task.result()


def _longest(voices: tuple[Voice, Voice]) -> int:
    return max(len(voice.text) for voice in voices)


async def _listen(servers: VllmServers, url: str, asked: Asked, voice: Voice) -> None:
    """Let one answer grow until its server ends it."""
    request = {
        **chat_request(asked.policy, asked.messages, asked.sampling),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    ended = False
    try:
        async with (
            httpx.AsyncClient(timeout=TIMEOUT, headers=servers.headers) as client,
            client.stream("POST", f"{url}/chat/completions", json=request) as response,
        ):
            if response.status_code in UNACCEPTABLE_PROMPT:
                raise PromptTooLong(f"{url} refused the conversation.")
            if response.status_code != 200:
                raise ServerDown(f"The vLLM server at {url} answered {response.status_code}.")
            async for data in _events(response):
                if data == "[DONE]":
                    ended = True
                    break
                _grow(voice, json.loads(data), url)
    except httpx.ConnectError as error:
        raise ServerDown(f"The vLLM server at {url} does not answer.") from error
    except (httpx.TransportError, json.JSONDecodeError) as error:
        raise AnswerCut(f"{url} stopped ({type(error).__name__}).") from error
    if not ended and not voice.finish_reason:
        raise AnswerCut(f"{url} ended its answer early.")
    voice.finish_reason = voice.finish_reason or "stop"


async def _events(response: httpx.Response) -> AsyncIterator[str]:
    """The data of each server-sent event."""
    async for line in response.aiter_lines():
        data = line.removeprefix("data:").strip()
        if line.startswith("data:") and data:
            yield data


def _grow(voice: Voice, piece: dict[str, Any], url: str) -> None:
    if "error" in piece:
        raise AnswerCut(f"{url} reports an error in the middle of an answer.")
    for choice in piece.get("choices") or []:
        voice.text += (choice.get("delta") or {}).get("content") or ""
        voice.finish_reason = choice.get("finish_reason") or voice.finish_reason
    if piece.get("usage"):
        voice.token_count = piece["usage"].get("completion_tokens") or 0


def _generated(voice: Voice) -> Generated:
    return Generated(
        text=voice.text,
        token_ids=(),
        token_count=voice.token_count,
        finish_reason=voice.finish_reason,
    )
