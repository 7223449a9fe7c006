import logging
import threading
import time
import uuid
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone

from labeling.models import ChatTurn, Policy, Response
from labeling.services.chats import begin_stream, still_streams, store_answers, store_problem
from labeling.services.images import as_models_read
from rlhf.generation.persistence import ServerDown
from rlhf.generation.protocol import Generated, Sampling
from rlhf.generation.server import PolicyNotServed, VllmServers
from rlhf.generation.streaming import AnswerCut, Asked, PromptTooLong, side_by_side

logger = logging.getLogger(__name__)

# Streams at once in one web process. Each holds one of its threads (deploy/supervisord.conf gives
# it 16), and the other pages must never wait for them.
MOST_STREAMS = 8
ATTENTION = 2.0  # seconds between two looks whether another stream took over

_places = threading.BoundedSemaphore(MOST_STREAMS)

Problem = ChatTurn.Problem
Answers = tuple[Generated, Generated]


@dataclass(frozen=True)
class News:
    """What a stream tells the page; texts are about the sides of the screen."""

    kind: str  # "begin", "text", "ready", "elsewhere" or "busy"
    left: str = ""
    right: str = ""


def stream_answers(turn: ChatTurn) -> Generator[News, None, None]:
    """Have a turn's two policies answer, tell what they write, and store both when both are done.

    Ends with "ready" when there is something to show (answers, or why there are none), with
    "elsewhere" when another stream of the same turn took over, with "busy" when this process has
    no place left. A stream that is left early stores nothing.
    """
    if not _places.acquire(blocking=False):
        yield News("busy")
        return
    try:
        key = begin_stream(turn=turn)
        if key is None:
            yield News("ready")
            return
        yield News("begin")
        yield from _told(turn, key)
    finally:
        _places.release()


def _told(turn: ChatTurn, key: uuid.UUID) -> Iterator[News]:
    try:
        with closing(_answers(turn)) as answers:
            written = yield from _relayed(turn, key, answers)
    except (ServerDown, PolicyNotServed, AnswerCut, PromptTooLong) as trouble:
        logger.warning("%s has no answers: %s", turn, trouble)
        ours = store_problem(turn=turn, key=key, problem=_problem(trouble))
    else:
        if written is None:
            yield News("elsewhere")
            return
        first = _response(turn, turn.first_policy, turn.first_sampling, written[0])
        second = _response(turn, turn.second_policy, turn.second_sampling, written[1])
        ours = store_answers(turn=turn, key=key, first=first, second=second, now=timezone.now())
    yield News("ready" if ours else "elsewhere")


def _answers(turn: ChatTurn) -> Generator[tuple[str, str], None, Answers]:
    servers = VllmServers(settings.VLLM_BASE_URLS, settings.VLLM_API_KEY, attempts=1)
    messages = as_models_read(turn.prompt.messages)
    return side_by_side(
        servers,
        Asked(turn.first_policy.slug, messages, Sampling(**turn.first_sampling)),
        Asked(turn.second_policy.slug, messages, Sampling(**turn.second_sampling)),
    )


def _relayed(
    turn: ChatTurn, key: uuid.UUID, answers: Generator[tuple[str, str], None, Answers]
) -> Generator[News, None, Answers | None]:
    """Pass on what is written; returns the whole answers, or None when another stream took over.

    News without a text goes out too: writing to a page that was left is how that is noticed.
    """
    looked = time.monotonic()
    while True:
        try:
            first, second = next(answers)
        except StopIteration as end:
            return end.value
        left, right = (first, second) if turn.first_on_left else (second, first)
        yield News("text", left, right)
        if time.monotonic() - looked > ATTENTION:
            looked = time.monotonic()
            if not still_streams(turn=turn, key=key):
                return None


def _problem(trouble: Exception) -> str:
    if isinstance(trouble, PromptTooLong):
        return Problem.TOO_LONG
    return Problem.STOPPED if isinstance(trouble, AnswerCut) else Problem.DOWN


def _response(
    turn: ChatTurn, policy: Policy, sampling: dict[str, Any], answer: Generated
) -> Response:
    return Response(
        prompt=turn.prompt,
        policy=policy,
        text=answer.text.replace("\x00", ""),  # Postgres has no place for it
        sampling=sampling,
        token_count=answer.token_count,
        finish_reason=answer.finish_reason,
    )
