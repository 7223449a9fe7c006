"""Asking a server until it answers: what is worth another attempt, and how long to wait for it."""

import random
import time
from collections.abc import Callable, Iterable, Iterator

import httpx

FIRST_DELAY = 0.5  # seconds; doubles after every attempt
LONGEST_DELAY = 8.0  # seconds
BUSY = {408, 409, 425, 429}  # worth another attempt, like every 5xx


class ServerDown(RuntimeError):
    """No server answered; the message is a sentence for the page and the log."""


def answered(
    ask: Callable[[int], httpx.Response],
    delays: Iterable[float],
    is_final: Callable[[httpx.Response], bool] = lambda response: False,
) -> httpx.Response:
    """The first response that is no sign of a server that is busy, broken or away.

    Args:
        ask: makes one attempt, told which one it is, from 0.
        delays: seconds to wait after each attempt that came to nothing; there is one more attempt
            than delays.
        is_final: tells of a response that looks busy or broken whether it is an answer all the
            same.

    Raises:
        ServerDown: it stayed so through all attempts.
    """
    attempt = 0
    waits = iter(delays)
    while True:
        try:
            response = ask(attempt)
        except httpx.TransportError as error:
            complaint = f"{server_of(error.request)} did not answer ({type(error).__name__})"
        else:
            if not _is_busy(response) or is_final(response):
                return response
            complaint = f"{server_of(response.request)} answered {response.status_code}"
        attempt += 1
        wait = next(waits, None)
        if wait is None:
            raise ServerDown(f"The vLLM server at {complaint}, after {attempt} attempts.")
        time.sleep(wait)


def delays(attempts: int, first: float = FIRST_DELAY) -> Iterator[float]:
    """Seconds to wait between so many attempts."""
    return (backed_off(attempt, first) for attempt in range(attempts - 1))


def delays_within(patience: float, first: float = FIRST_DELAY) -> Iterator[float]:
    """Seconds to wait between attempts, for about `patience` seconds in all."""
    attempt, waited = 0, 0.0
    while waited < patience:
        delay = backed_off(attempt, first)
        yield delay
        attempt, waited = attempt + 1, waited + delay


def backed_off(attempt: int, first: float) -> float:
    """Seconds to wait after a failure: exponential, with jitter so that clients spread out."""
    return min(first * 2 ** min(attempt, 30), LONGEST_DELAY) * random.uniform(0.5, 1.5)


def server_of(request: httpx.Request) -> str:
    """The server's address, without the path of what was asked."""
    return str(request.url).partition("/v1/")[0] + "/v1"


def _is_busy(response: httpx.Response) -> bool:
    return response.status_code in BUSY or response.status_code >= 500
