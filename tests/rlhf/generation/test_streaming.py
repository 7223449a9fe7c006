"""Two answers side by side: at one pace, whole or not at all."""

import time

import pytest

from rlhf.generation.persistence import ServerDown
from rlhf.generation.protocol import Sampling
from rlhf.generation.server import PolicyNotServed, VllmServers
from rlhf.generation.streaming import (
    FLUENT,
    AnswerCut,
    Asked,
    Pace,
    PromptTooLong,
    Voice,
    side_by_side,
)
from tests.rlhf.scripted_server import scripted_server

QUESTION = [{"role": "user", "content": "Why?"}]
SHORT = "Because it is so."
LONG = "Because of many things, " * 40


def answers(script, policies=("swift", "steady"), asked=("swift", "steady"), tick=0.01):
    """All that was seen of both, piece by piece, and what came of it in the end."""
    with scripted_server(list(policies), script) as url:
        stream = side_by_side(
            VllmServers([url], attempts=1),
            *(Asked(policy, QUESTION, Sampling(seed=n)) for n, policy in enumerate(asked)),
            tick=tick,
        )
        seen = []
        while True:
            try:
                seen.append(next(stream))
            except StopIteration as end:
                return seen, end.value


def test_both_answers_come_whole_in_the_order_in_which_they_were_asked_for():
    seen, (one, other) = answers(lambda body: f"I am {body['model']}.")
    assert (one.text, other.text) == ("I am swift.", "I am steady.")
    assert one.finish_reason == other.finish_reason == "stop"
    assert one.token_count == 3
    assert ("".join(a for a, _ in seen), "".join(b for _, b in seen)) == (one.text, other.text)


def test_as_much_is_seen_of_the_quick_answer_as_of_the_slow_one():
    def script(body):
        for word in ["one", "two", "three", "four", "five", "six"]:
            time.sleep(0.03 if body["model"] == "steady" else 0)
            yield word + " "

    seen, _ = answers(script)
    one = other = ""
    for piece, counterpart in seen:
        one, other = one + piece, other + counterpart
        assert len(one) == len(other)


def pace_of(one: Voice, other: Voice, *ticks: tuple[int, int, bool, bool]) -> list[int]:
    """What is seen after each tick of a second: lengths that have come, and who is done."""
    pace, seen = Pace(), []
    for length, counterpart, done, counterpart_done in ticks:
        one.text, other.text = "x" * length, "x" * counterpart
        one.finish_reason = "stop" if done else ""
        other.finish_reason = "stop" if counterpart_done else ""
        pace.advance(one, other, 1.0)
        seen.append(pace.shown)
    return seen


def test_when_one_answer_has_ended_the_other_goes_on_at_the_pace_of_both_together():
    both = [(100, 100, False, False), (200, 200, True, False)]
    assert pace_of(Voice(), Voice(), *both, *[(200, 9000, True, True)] * 3) == [
        100, 200, 300, 400, 500
    ]  # fmt: skip


def test_it_does_not_matter_on_the_screen_which_of_the_two_was_quick():
    slow_ended = [(100, 900, False, True), (200, 900, True, True), (200, 900, True, True)]
    quick_ended = [(200, 100, True, False), (200, 200, True, False), (200, 900, True, False)]
    assert pace_of(Voice(), Voice(), *slow_ended) == pace_of(Voice(), Voice(), *quick_ended)


def test_the_pace_never_falls_below_that_of_a_quick_reader():
    seen = pace_of(Voice(), Voice(), (1, 9000, True, True), (1, 9000, True, True))
    assert seen == [1, 1 + FLUENT]


def test_an_answer_that_breaks_off_is_no_answer():
    def script(body):
        yield "It begins "
        if body["model"] == "steady":
            raise ConnectionError
        yield "and ends."

    with pytest.raises(AnswerCut):
        answers(script)


def test_a_conversation_that_a_server_refuses_is_told_apart_from_a_server_that_fails():
    with pytest.raises(PromptTooLong):
        answers(lambda body: 400)
    with pytest.raises(ServerDown):
        answers(lambda body: 500)
    with pytest.raises(PolicyNotServed):
        answers(lambda body: SHORT, asked=("swift", "absent"))


def test_leaving_a_stream_early_ends_both_requests():
    told = []

    def script(body):
        try:
            while True:
                time.sleep(0.01)
                yield "and on "
        finally:
            told.append(body["model"])

    with scripted_server(["swift", "steady"], script) as url:
        asked = (Asked(policy, QUESTION, Sampling(seed=1)) for policy in ("swift", "steady"))
        stream = side_by_side(VllmServers([url], attempts=1), *asked, tick=0.01)
        next(pieces for pieces in stream if any(pieces))
        stream.close()
        until = time.monotonic() + 10
        while len(told) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    assert sorted(told) == ["steady", "swift"]


@pytest.mark.slow
@pytest.mark.vllm
def test_a_real_vllm_streams_both_answers(vllm_server):
    from tests.vllm_fixtures import SERVED_AS

    asked = [Asked(SERVED_AS, QUESTION, Sampling(seed=seed, max_tokens=24)) for seed in (1, 2)]
    stream = side_by_side(VllmServers([vllm_server], attempts=1), *asked)
    seen = []
    while True:
        try:
            seen.append(next(stream))
        except StopIteration as end:
            one, other = end.value
            break
    assert len([pieces for pieces in seen if any(pieces)]) > 1
    assert one.text == "".join(piece for piece, _ in seen)
    assert other.text == "".join(piece for _, piece in seen)
    assert 0 < one.token_count <= 24
    assert one.finish_reason in ("stop", "length")

    endless = [{"role": "user", "content": "word " * 3000}]
    too_long = Asked(SERVED_AS, endless, Sampling(max_tokens=24))
    with pytest.raises(PromptTooLong):
        list(side_by_side(VllmServers([vllm_server], attempts=1), too_long, too_long))
