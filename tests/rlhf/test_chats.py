"""Live conversations over HTTP: what is streamed, stored, and said when something goes wrong."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.urls import reverse

from labeling.models import (
    ChatTurn,
    Comparison,
    DiscardedPair,
    Judgment,
    Response,
)
from rlhf.services import chats
from tests.rlhf.scripted_server import scripted_server

POLICIES = ["parrot-v0", "owl-v0"]


@contextmanager
def answering(settings, script=lambda body: f"I would say {body['seed']}.") -> Iterator[None]:
    with scripted_server(POLICIES, script) as url:
        settings.VLLM_BASE_URLS = [url]
        yield


def say(client, campaign, text="Why?", number=0, key=None, **more):
    return client.post(
        reverse("rlhf:chat_say", args=[campaign.pk]),
        {"message": text, "number": number, "client_key": key or uuid.uuid4()},
        headers={"HX-Request": "true"},
        **more,
    )


def act(client, name, turn, **fields):
    address = reverse(f"rlhf:{name}", args=[turn.pk])
    return client.post(address, fields, headers={"HX-Request": "true"})


def events(response) -> list[tuple[str, str]]:
    """(event, data) of a stream, read to its end."""
    told = []
    for block in b"".join(response.streaming_content).decode().split("\n\n"):
        lines = dict(line.split(":", 1) for line in block.splitlines() if line)
        if "data" in lines:
            told.append((lines.get("event", "message").strip(), lines["data"].strip()))
    return told


def stream(client, turn):
    response = client.get(reverse("rlhf:chat_stream", args=[turn.pk]))
    assert response["Content-Type"] == "text/event-stream"
    return events(response)


def kinds(told):
    return [kind for kind, _ in told if kind != "message"]


def answer(client, turn, choice="-1"):
    return act(client, "chat_judge", turn, answer=choice, client_key=uuid.uuid4(), seconds="2")


def test_a_message_is_answered_side_by_side_judged_and_answered_again(
    client, alice, chat_campaign, settings
):
    client.force_login(alice)
    with answering(settings):
        assert b"data-stream" in say(client, chat_campaign).content
        turn = ChatTurn.objects.get()
        told = stream(client, turn)
        assert (kinds(told)[0], kinds(told)[-1]) == ("begin", "ready")
        pieces = [json.loads(data) for kind, data in told if kind == "message"]
        turn.refresh_from_db()
        left, right = turn.comparison.first, turn.comparison.second
        if not turn.first_on_left:
            left, right = right, left
        assert "".join(piece["left"] for piece in pieces) == left.text
        assert "".join(piece["right"] for piece in pieces) == right.text
        assert left.token_count == 4
        assert turn.comparison.first.sampling["seed"] == turn.first_sampling["seed"]

        page = answer(client, turn, "2")
        assert page.status_code == 200
        assert right.text in page.content.decode()
        assert left.text not in page.content.decode()
        say(client, chat_campaign, "And then?", number=1)
        stream(client, ChatTurn.objects.get(number=1))
    assert Judgment.objects.get().preference == (2 if turn.first_on_left else -2)
    assert Comparison.objects.count() == 2


def test_neither_the_page_nor_the_stream_names_an_author(client, alice, chat_campaign, settings):
    client.force_login(alice)

    def failing(body):
        return 500 if failures.pop() else f"I would say {body['seed']}."

    failures = [False, False, True, True]
    with answering(settings, failing):
        shown = [say(client, chat_campaign).content]
        turn = ChatTurn.objects.get()
        for _ in range(2):
            response = client.get(reverse("rlhf:chat_stream", args=[turn.pk]))
            shown += [b"".join(response.streaming_content), repr(response.headers).encode()]
            shown.append(client.get(reverse("rlhf:chat", args=[chat_campaign.pk])).content)
    assert ChatTurn.objects.get().comparison
    for content in shown:
        assert b"parrot" not in content
        assert b"owl" not in content


def test_a_server_that_is_down_leaves_the_message_and_says_so(
    client, alice, chat_campaign, settings
):
    client.force_login(alice)
    say(client, chat_campaign, "Keep this.")
    turn = ChatTurn.objects.get()
    assert kinds(stream(client, turn)) == ["begin", "ready"]  # nothing listens at the address
    page = client.get(reverse("rlhf:chat", args=[chat_campaign.pk])).content.decode()
    assert "No server answers here at the moment." in page
    assert "Keep this." in page
    with answering(settings):
        act(client, "chat_again", turn)
        stream(client, turn)
    assert Comparison.objects.count() == 1


def test_a_stream_that_stops_stores_neither_answer(client, alice, chat_campaign, settings):
    client.force_login(alice)

    def script(body):
        yield "It begins "
        if body["model"] == "owl-v0":
            raise ConnectionError

    say(client, chat_campaign)
    with answering(settings, script):
        assert kinds(stream(client, ChatTurn.objects.get())) == ["begin", "ready"]
    page = client.get(reverse("rlhf:chat", args=[chat_campaign.pk])).content.decode()
    assert "A server stopped in the middle of an answer" in page
    assert not Response.objects.exists()


def test_a_conversation_longer_than_the_models_read_is_refused_and_can_be_shortened(
    client, alice, chat_campaign, settings
):
    client.force_login(alice)
    say(client, chat_campaign, "Very long.")
    turn = ChatTurn.objects.get()
    with answering(settings, lambda body: 400):
        stream(client, turn)
    page = client.get(reverse("rlhf:chat", args=[chat_campaign.pk])).content.decode()
    assert "The conversation is longer than the models can read." in page
    page = act(client, "chat_take_back", turn).content.decode()
    assert "Very long." in page
    assert not ChatTurn.objects.exists()


@pytest.mark.parametrize(
    ("texts", "sentence", "reason"),
    [
        (("Just so.", "Just so."), "Both gave the same answer", "identical"),
        (("Just so.", ""), "An answer stayed empty", "empty"),
    ],
)
def test_a_pair_that_is_none_is_said_and_counted(
    client, alice, chat_campaign, settings, texts, sentence, reason
):
    client.force_login(alice)
    say(client, chat_campaign)
    with answering(settings, lambda body: texts[POLICIES.index(body["model"])]):
        stream(client, ChatTurn.objects.get())
    page = client.get(reverse("rlhf:chat", args=[chat_campaign.pk])).content.decode()
    assert sentence in page
    assert DiscardedPair.objects.get().reason == reason
    assert not Comparison.objects.exists()


def test_a_stream_asked_for_again_after_the_answers_are_there_asks_no_server(
    client, alice, chat_campaign, settings
):
    client.force_login(alice)
    say(client, chat_campaign)
    turn = ChatTurn.objects.get()
    with answering(settings):
        stream(client, turn)
    assert stream(client, turn) == [("ready", "")]
    assert Comparison.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_stream_that_is_left_stores_nothing_and_frees_its_place(
    client, alice, chat_campaign, settings, monkeypatch
):
    monkeypatch.setattr(chats, "_places", threading.BoundedSemaphore(1))
    client.force_login(alice)
    say(client, chat_campaign)
    turn = ChatTurn.objects.get()
    with answering(settings):
        address = reverse("rlhf:chat_stream", args=[turn.pk])
        left = client.get(address)
        assert b"begin" in next(left.streaming_content)
        assert kinds(stream(client, turn)) == ["busy"]
        left.close()
        assert not Response.objects.exists()
        assert kinds(stream(client, turn)) == ["begin", "ready"]
    assert Comparison.objects.count() == 1


def test_a_stream_that_another_one_replaced_says_so_and_stores_nothing(
    client, alice, chat_campaign, settings, monkeypatch
):
    monkeypatch.setattr(chats, "ATTENTION", 0.0)
    client.force_login(alice)
    say(client, chat_campaign)
    turn = ChatTurn.objects.get()
    with answering(settings):
        address = reverse("rlhf:chat_stream", args=[turn.pk])
        former = client.get(address)
        next(former.streaming_content)
        assert kinds(stream(client, turn)) == ["begin", "ready"]
        assert kinds(events(former)) == ["elsewhere"]
    assert Comparison.objects.count() == 1


def test_a_message_from_a_second_tab_is_given_back_with_how_things_stand(
    client, alice, chat_campaign
):
    client.force_login(alice)
    say(client, chat_campaign, "From the first tab.")
    answer = say(client, chat_campaign, "From the second tab.")
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "This conversation went on in another tab" in page
    assert "From the first tab." in page
    assert "From the second tab." in page
    assert ChatTurn.objects.count() == 1


def test_a_double_click_sends_one_message_and_one_judgment(client, alice, chat_campaign, settings):
    client.force_login(alice)
    key = uuid.uuid4()
    assert say(client, chat_campaign, key=key).status_code == 200
    assert say(client, chat_campaign, key=key).status_code == 200
    turn = ChatTurn.objects.get()
    with answering(settings):
        stream(client, turn)
    fields = {"answer": "1", "client_key": uuid.uuid4()}
    assert act(client, "chat_judge", turn, **fields).status_code == 200
    assert act(client, "chat_judge", turn, **fields).status_code == 200
    assert answer(client, turn, "2").status_code == 409
    assert Judgment.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"message": " "}, "Write a message first."),
        ({"message": "x" * 50_001}, "at most 50000 characters"),
        ({"message": "Hm", "number": "x"}, ""),
    ],
)
def test_a_message_that_can_not_be_sent_is_refused_in_a_sentence(
    client, alice, chat_campaign, fields, sentence
):
    client.force_login(alice)
    answer = client.post(
        reverse("rlhf:chat_say", args=[chat_campaign.pk]),
        {"number": 0, "client_key": uuid.uuid4(), **fields},
    )
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not ChatTurn.objects.exists()


def test_an_answer_off_the_scale_is_refused_and_may_be_given_again(
    client, alice, chat_campaign, settings
):
    client.force_login(alice)
    say(client, chat_campaign)
    turn = ChatTurn.objects.get()
    with answering(settings):
        stream(client, turn)
    assert answer(client, turn, "4").status_code == 422
    assert answer(client, turn, "nonsense").status_code == 422
    assert answer(client, turn, "tie").status_code == 200


def test_a_conversation_belongs_to_its_labeler_alone(
    client, alice, bob, mallory, chat_campaign, settings
):
    client.force_login(alice)
    say(client, chat_campaign)
    turn = ChatTurn.objects.get()
    for stranger in (bob, mallory):
        client.force_login(stranger)
        assert client.get(reverse("rlhf:chat_stream", args=[turn.pk])).status_code == 404
        for name in ("chat_judge", "chat_again", "chat_take_back"):
            assert act(client, name, turn).status_code == 404
        assert act(client, "chat_end", turn.chat).status_code == 404
    assert client.get(reverse("rlhf:chat", args=[chat_campaign.pk])).status_code == 404
    assert say(client, chat_campaign).status_code == 404


def test_a_new_conversation_begins_without_the_old_one(client, alice, chat_campaign, settings):
    client.force_login(alice)
    say(client, chat_campaign, "The old one.")
    page = act(client, "chat_end", ChatTurn.objects.get().chat).content.decode()
    assert "The old one." not in page
    assert "Begin a conversation" in page


def test_a_conversation_begins_behind_the_campaigns_warning(client, alice, chat_campaign):
    chat_campaign.content_warnings = ["hate"]
    chat_campaign.save()
    client.force_login(alice)
    address = reverse("rlhf:chat", args=[chat_campaign.pk])
    response = client.get(address, follow=True)
    assert "this campaign shows harmful content" in response.content.decode()
    client.post(reverse("labeling:begin", args=[chat_campaign.pk]))
    assert client.get(address).status_code == 200
