"""Live conversations as rows: what a message, an answer and a judgment become."""

import json
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import (
    Assignment,
    Campaign,
    CampaignPolicy,
    ChatTurn,
    Comparison,
    DiscardedPair,
    Judgment,
    Prompt,
    Response,
)
from labeling.selectors.campaigns import progress
from labeling.services import chats
from labeling.services.assignments import claim_ahead, claim_next
from labeling.services.comparisons import create_comparisons
from labeling.services.exports import preference_rows
from labeling.services.judgments import Answer
from labeling.services.snapshots import take_snapshot
from tests.cast import ask, pair

NOW = timezone.now()


def say(campaign, labeler, text="Why?", number=0, key=None):
    return chats.say(
        campaign=campaign,
        labeler=labeler,
        number=number,
        text=text,
        client_key=key or uuid.uuid4(),
        now=NOW,
    )


def answered(turn, first="Because.", second="Therefore."):
    """Both answers of a turn, as a stream would store them."""
    key = chats.begin_stream(turn=turn)
    one, other = (
        Response(prompt=turn.prompt, policy=policy, text=text)
        for policy, text in ((turn.first_policy, first), (turn.second_policy, second))
    )
    assert chats.store_answers(turn=turn, key=key, first=one, second=other, now=NOW)
    turn.refresh_from_db()
    return turn


def judge(turn, labeler, preference=-1, equal="", key=None):
    judgment = chats.judge_turn(
        turn=turn,
        labeler=labeler,
        answer=Answer(preference=preference, equal=equal),
        client_key=key or uuid.uuid4(),
        seconds=4.0,
        now=NOW,
    )
    turn.refresh_from_db()
    return judgment


def test_every_turn_is_a_comparison_of_two_answers_to_the_conversation_so_far(chat_campaign, alice):
    turn = answered(say(chat_campaign, alice))
    judge(turn, alice, preference=2)
    second = answered(say(chat_campaign, alice, "Really?", number=1), "Yes.", "No.")
    judge(second, alice, preference=-3)

    assert [judgment.preference for judgment in Judgment.objects.order_by("id")] == [2, -3]
    assert second.comparison.prompt.messages == [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "Therefore."},
        {"role": "user", "content": "Really?"},
    ]
    assert {second.comparison.first.policy, second.comparison.second.policy} == {
        second.first_policy,
        second.second_policy,
    }
    assert Assignment.objects.filter(labeler=alice, answered_at=NOW).count() == 2


def test_exports_snapshots_and_figures_see_the_turns_like_any_pair(chat_campaign, alice, settings):
    judge(answered(say(chat_campaign, alice)), alice, preference=2)
    row = next(preference_rows(chat_campaign))
    assert row["chosen"][0]["content"] == "Therefore."
    snapshot = take_snapshot(campaign=chat_campaign, by=None)
    assert snapshot.train_pairs + snapshot.test_pairs == 1
    state = progress(chat_campaign)
    assert (state.comparisons, state.complete, state.answered) == (1, 1, 1)
    assert json.dumps(snapshot.recipe)


@pytest.mark.parametrize("equal", ["tie", "both_bad"])
def test_where_neither_is_better_the_conversation_goes_on_from_one_of_them(
    chat_campaign, alice, equal
):
    turn = answered(say(chat_campaign, alice))
    judge(turn, alice, preference=0, equal=equal)
    assert turn.picked in (turn.comparison.first, turn.comparison.second)
    assert turn.goes_on_by_chance
    assert say(chat_campaign, alice, "And?", number=1).prompt.messages[1]["content"] in (
        "Because.",
        "Therefore.",
    )


def test_the_sides_are_drawn_anew_for_each_turn_and_kept(chat_campaign, alice):
    seen = set()
    for number in range(40):
        turn = answered(say(chat_campaign, alice, f"Why {number}?", number), f"{number}", "x")
        assert turn.comparison.assignments.get().first_on_left == turn.first_on_left
        seen.add((turn.first_on_left, turn.first_policy_id))
        judge(turn, alice)
    assert len(seen) == 4


def test_a_campaign_with_one_policy_lets_it_answer_twice(campaign, policy, alice):
    campaign.kind = Campaign.Kind.CHAT
    CampaignPolicy.objects.create(campaign=campaign, policy=policy)
    turn = say(campaign, alice)
    assert turn.first_policy == turn.second_policy == policy
    assert turn.first_sampling["seed"] != turn.second_sampling["seed"]


def test_a_message_sent_twice_is_one_turn(chat_campaign, alice, bob):
    key = uuid.uuid4()
    assert say(chat_campaign, alice, key=key) == say(chat_campaign, alice, key=key)
    with pytest.raises(errors.KeyReused):
        say(chat_campaign, alice, "Something else", key=key)
    with pytest.raises(errors.KeyReused):
        say(chat_campaign, bob, key=key)
    assert ChatTurn.objects.count() == 1


def test_a_second_tab_can_not_send_past_the_first(chat_campaign, alice):
    turn = say(chat_campaign, alice)
    with pytest.raises(errors.ConversationMovedOn):
        say(chat_campaign, alice, "From the other tab")
    judge(answered(turn), alice)
    with pytest.raises(errors.ConversationMovedOn):
        say(chat_campaign, alice, "From the other tab")
    assert ChatTurn.objects.count() == 1


def test_each_labeler_has_a_conversation_of_their_own(chat_campaign, alice, bob):
    assert say(chat_campaign, alice).chat != say(chat_campaign, bob).chat


def test_a_turn_is_judged_once(chat_campaign, alice):
    turn = answered(say(chat_campaign, alice))
    key = uuid.uuid4()
    assert judge(turn, alice, key=key) == judge(turn, alice, key=key)
    with pytest.raises(errors.AlreadyAnswered):
        judge(turn, alice, preference=2)
    assert turn.picked == turn.comparison.first


def test_nobody_else_gets_a_turn_to_judge(chat_campaign, alice, bob):
    turn = answered(say(chat_campaign, alice))
    with pytest.raises(errors.LeaseExpired):
        judge(turn, bob)
    assert not Judgment.objects.exists()
    later = NOW.replace(year=NOW.year + 1)
    taken = claim_next(labeler=bob, campaign=chat_campaign, now=later)
    assert taken is None


def test_the_same_answer_twice_is_nothing_to_judge_and_the_conversation_goes_on(
    chat_campaign, alice
):
    turn = answered(say(chat_campaign, alice), "The same.", "The  same.")
    assert turn.comparison is None
    assert turn.picked.text == "The same."
    assert DiscardedPair.objects.get().reason == "identical"
    assert say(chat_campaign, alice, "And?", number=1).prompt.messages[1]["content"] == "The same."


def test_an_empty_answer_is_asked_for_again_with_other_seeds(chat_campaign, alice):
    turn = answered(say(chat_campaign, alice), "", "Something.")
    before = turn.first_sampling["seed"], turn.second_sampling["seed"]
    assert (turn.problem, turn.picked, turn.comparison) == ("empty", None, None)
    assert not Response.objects.exists()
    chats.ask_again(turn=turn)
    turn.refresh_from_db()
    assert turn.problem == ""
    assert (turn.first_sampling["seed"], turn.second_sampling["seed"]) != before


def test_the_stream_begun_last_is_the_one_that_counts(chat_campaign, alice):
    turn = say(chat_campaign, alice)
    first = chats.begin_stream(turn=turn)
    second = chats.begin_stream(turn=turn)
    assert not chats.still_streams(turn=turn, key=first)
    assert chats.still_streams(turn=turn, key=second)
    late = {
        "first": Response(prompt=turn.prompt, policy=turn.first_policy, text="Late."),
        "second": Response(prompt=turn.prompt, policy=turn.second_policy, text="Too late."),
    }
    assert not chats.store_answers(turn=turn, key=first, now=NOW, **late)
    assert not chats.store_problem(turn=turn, key=first, problem="down")
    assert not Response.objects.exists()
    answered(turn)
    assert chats.begin_stream(turn=turn) is None
    assert Comparison.objects.count() == 1


def test_a_message_without_answers_can_be_taken_back_and_one_with_answers_can_not(
    chat_campaign, alice
):
    turn = say(chat_campaign, alice, "Whi?")
    assert chats.take_back(turn=turn) == "Whi?"
    turn = answered(say(chat_campaign, alice))
    with pytest.raises(errors.ConversationMovedOn):
        chats.take_back(turn=turn)


def test_answers_that_come_for_a_message_taken_back_are_stored_nowhere(chat_campaign, alice):
    turn = say(chat_campaign, alice)
    key = chats.begin_stream(turn=turn)
    chats.take_back(turn=ChatTurn.objects.get(pk=turn.pk))
    late = (Response(prompt=turn.prompt, policy=turn.first_policy, text=text) for text in "ab")
    first, second = late
    assert not chats.store_answers(turn=turn, key=key, first=first, second=second, now=NOW)
    assert not Response.objects.exists()


def test_a_message_taken_back_in_another_tab_is_neither_answered_nor_taken_back_again(
    chat_campaign, alice
):
    turn = say(chat_campaign, alice)
    chats.take_back(turn=ChatTurn.objects.get(pk=turn.pk))
    assert chats.begin_stream(turn=turn) is None
    with pytest.raises(errors.ConversationMovedOn):
        chats.take_back(turn=turn)


def test_an_ended_conversation_keeps_its_judgments_and_asks_for_no_more(chat_campaign, alice):
    turn = answered(say(chat_campaign, alice))
    judge(turn, alice)
    answered(say(chat_campaign, alice, "And?", number=1))
    chats.end_chat(chat=turn.chat, now=NOW)
    state = progress(chat_campaign)
    assert (state.answered, state.wanted) == (1, 1)
    assert say(chat_campaign, alice, "Anew").chat != turn.chat


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 50_001, "a\x00b"])
def test_a_message_that_says_nothing_or_too_much_is_refused(chat_campaign, alice, text):
    with pytest.raises(errors.MessageRefused):
        say(chat_campaign, alice, text)
    assert not ChatTurn.objects.exists()


def test_a_conversation_ends_at_its_longest(chat_campaign, alice, monkeypatch):
    monkeypatch.setattr(chats, "MOST_TURNS", 1)
    judge(answered(say(chat_campaign, alice)), alice)
    with pytest.raises(errors.ConversationTooLong):
        say(chat_campaign, alice, "And?", number=1)
    monkeypatch.undo()
    monkeypatch.setattr(chats, "LONGEST_CONVERSATION", 20)
    with pytest.raises(errors.ConversationTooLong):
        say(chat_campaign, alice, "And what else?", number=1)
    assert ChatTurn.objects.count() == 1


def test_nobody_talks_in_a_campaign_that_is_closed_or_without_policies(campaign, alice):
    campaign.kind = Campaign.Kind.CHAT
    with pytest.raises(errors.NobodyAnswers):
        say(campaign, alice)
    campaign.status = "paused"
    campaign.save()
    with pytest.raises(errors.CampaignNotOpen):
        say(campaign, alice)


@pytest.mark.django_db(transaction=True)
def test_the_database_lets_a_conversation_go_on_only_from_an_answer_to_its_prompt(
    chat_campaign, alice, policy
):
    turn = say(chat_campaign, alice)
    elsewhere, _ = pair(ask("Something else?"), policy, "One.", "Two.")
    with pytest.raises(IntegrityError), transaction.atomic():
        ChatTurn.objects.filter(pk=turn.pk).update(picked=elsewhere)
    assert Prompt.objects.count() == 2


def test_in_a_campaign_of_pairs_nobody_begins_a_conversation(chat_campaign, alice):
    Campaign.objects.update(kind=Campaign.Kind.COMPARISON)
    chat_campaign.refresh_from_db()
    with pytest.raises(errors.NotAChat):
        say(chat_campaign, alice)


def test_what_a_labeler_takes_back_in_a_chat_is_never_given_to_others(
    chat_campaign, policy, bob, alice
):
    create_comparisons(campaign=chat_campaign, pairs=[pair(ask("Why?"), policy, "One.", "Two.")])
    assert claim_next(labeler=bob, campaign=chat_campaign, now=timezone.now()) is None
    assert claim_ahead(labeler=bob, campaign=chat_campaign, at_most=5, now=timezone.now()) == []


def test_the_way_to_label_leads_into_the_conversation(client, chat_campaign, alice):
    client.force_login(alice)
    chat = reverse("rlhf:chat", args=[chat_campaign.pk])
    assert client.get(reverse("labeling:work", args=[chat_campaign.pk])).url == chat
    Campaign.objects.update(kind=Campaign.Kind.COMPARISON)
    work = reverse("labeling:work", args=[chat_campaign.pk])
    assert client.get(chat).url == work


class TestHarmfulConversations:
    @pytest.fixture
    def capped(self, chat_campaign):
        chat_campaign.content_warnings = ["violence"]
        chat_campaign.exposure_cap = 2
        chat_campaign.save()
        return chat_campaign

    def test_each_turn_counts_towards_the_daily_limit_and_the_next_is_refused(self, capped, alice):
        judge(answered(say(capped, alice)), alice)
        judge(answered(say(capped, alice, "And?", 1)), alice)
        with pytest.raises(errors.ExposureReached):
            say(capped, alice, "More?", 2)
        tomorrow = NOW + timedelta(days=1)
        assert chats.over(campaign=capped, labeler=alice, now=tomorrow) is None

    def test_answers_that_were_seen_count_without_a_judgment_in_whatever_conversation(
        self, capped, alice, bob
    ):
        for _ in range(2):
            turn = answered(say(capped, alice))
            chats.end_chat(chat=turn.chat, now=NOW)
        with pytest.raises(errors.ExposureReached):
            say(capped, alice)
        assert say(capped, bob)

    def test_pairs_and_turns_share_the_limit(self, capped, alice, carol, policy):
        harmful = Campaign.objects.create(
            name="Pairs", status="open", content_warnings=["hate"], exposure_cap=2
        )
        create_comparisons(campaign=harmful, pairs=[pair(ask("Why?"), policy, "So.", "Because.")])
        answered(say(capped, alice))
        assert claim_next(labeler=alice, campaign=harmful, now=NOW)
        assert chats.over(campaign=capped, labeler=alice, now=NOW)

    def test_the_page_says_it_in_the_place_for_a_message_and_still_shows_the_conversation(
        self, capped, alice, client
    ):
        client.force_login(alice)
        client.post(reverse("labeling:begin", args=[capped.pk]))
        judge(answered(say(capped, alice)), alice)
        turn = answered(say(capped, alice, "And?", 1))
        address = reverse("rlhf:chat", args=[capped.pk])
        assert "data-veil" in client.get(address).content.decode()  # it may still be judged
        judge(turn, alice)
        page = client.get(address).content.decode()
        assert "as many pairs with such content today" in page
        assert "data-composer" not in page
        assert "And?" in page

    def test_a_message_sent_past_the_limit_is_given_back(self, capped, alice, client):
        client.force_login(alice)
        for number, text in enumerate(("Why?", "And?")):
            judge(answered(say(capped, alice, text, number)), alice)
        response = client.post(
            reverse("rlhf:chat_say", args=[capped.pk]),
            {"message": "One more?", "number": 2, "client_key": str(uuid.uuid4())},
        )
        assert response.status_code == 409
        assert "One more?" in response.content.decode()


def test_a_campaign_whose_deadline_has_passed_takes_no_message(chat_campaign, alice):
    chat_campaign.deadline = NOW - timedelta(days=1)
    chat_campaign.save()
    with pytest.raises(errors.DeadlinePassed):
        say(chat_campaign, alice)


def test_a_campaign_with_a_conversation_keeps_its_kind(chat_campaign, alice):
    say(chat_campaign, alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.filter(pk=chat_campaign.pk).update(kind="comparison")
