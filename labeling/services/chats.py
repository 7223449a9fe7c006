import random
import uuid
from datetime import datetime, timedelta

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.utils.translation import gettext

from labeling import errors
from labeling.models import (
    Assignment,
    Campaign,
    CampaignPolicy,
    Chat,
    ChatTurn,
    DiscardedPair,
    Judgment,
    Response,
    User,
)
from labeling.services.allowances import allowance
from labeling.services.assignments import take_turns
from labeling.services.comparisons import create_comparisons, discard_reason
from labeling.services.judgments import Answer, record_judgment
from labeling.services.prompts import LONGEST_MESSAGE, Message, store_prompts

MOST_TURNS = 50
LONGEST_CONVERSATION = 200_000  # characters; how much a model reads is for its server to say
SEEDS = 2**31
# What a conversation is about only its labeler can judge: nobody else ever takes the slot.
ITS_LABELERS = timedelta(days=36_500)

_chance = random.SystemRandom()


# What the labeler does ---------------------------------------------------------------------------


@transaction.atomic
def say(
    *,
    campaign: Campaign,
    labeler: User,
    number: int,
    text: str,
    client_key: uuid.UUID,
    now: datetime,
) -> ChatTurn:
    """Take the labeler's next message; the first one begins a conversation.

    `number` is the turn that the page believes to be next. The same key sent again returns what
    was stored the first time.

    Raises:
        NotAChat, KeyReused, CampaignNotOpen, ConversationMovedOn, ConversationTooLong,
        MessageRefused, NobodyAnswers, NothingNow.
    """
    if campaign.kind != Campaign.Kind.CHAT:
        raise errors.NotAChat
    take_turns(labeler)  # of two tabs, the second finds what the first began
    text = text.replace("\r\n", "\n").strip()
    stored = ChatTurn.objects.filter(client_key=client_key).select_related("chat", "prompt").first()
    if stored is not None:
        return _said_before(stored, labeler, text)
    if campaign.status != Campaign.Status.OPEN:
        raise errors.CampaignNotOpen
    if (over := _over(campaign, labeler, now)) is not None:
        raise over
    chat, _ = Chat.objects.get_or_create(
        campaign=campaign, labeler=labeler, ended_at=None, defaults={"created_at": now}
    )
    last = chat.turns.select_related("prompt", "picked").last()
    messages = _continued(last, number, text)
    one, other = _drawn(campaign)
    return ChatTurn.objects.create(
        chat=chat,
        number=number,
        prompt=store_prompts([(messages, "")])[0],
        client_key=client_key,
        first_policy=one.policy,
        second_policy=other.policy,
        first_sampling=_sampling(one),
        second_sampling=_sampling(other),
        first_on_left=_chance.random() < 0.5,
        created_at=now,
    )


@transaction.atomic
def over(*, campaign: Campaign, labeler: User, now: datetime) -> errors.NothingNow | None:
    """Why this labeler can send no message now by the campaign's rules; None where they can."""
    take_turns(labeler)
    return _over(campaign, labeler, now)


@transaction.atomic
def ask_again(*, turn: ChatTurn) -> None:
    """Let a turn that met a problem be answered once more; an empty answer is drawn anew."""
    turn = _locked(turn)
    if not turn.problem:
        return
    if turn.problem == ChatTurn.Problem.EMPTY:
        turn.first_sampling["seed"] = _chance.randrange(SEEDS)
        turn.second_sampling["seed"] = _chance.randrange(SEEDS)
    turn.problem = ""
    turn.save()


@transaction.atomic
def take_back(*, turn: ChatTurn) -> str:
    """Forget a message that has no answers, so that it can be worded anew; returns its text.

    Raises:
        ConversationMovedOn: it has answers by now.
    """
    turn = _locked(turn)
    if turn.is_answered:
        raise errors.ConversationMovedOn
    text = _last_words(turn)
    turn.delete()
    return text


@transaction.atomic
def judge_turn(
    *,
    turn: ChatTurn,
    labeler: User,
    answer: Answer,
    client_key: uuid.UUID,
    seconds: float | None,
    now: datetime,
) -> Judgment:
    """Store which answer is better, and go on from it; from one by chance where neither is.

    Raises:
        ConversationMovedOn: there are no answers to judge.
        And all that record_judgment refuses.
    """
    turn = _locked(turn)
    if turn.comparison is None:
        raise errors.ConversationMovedOn
    judgment = record_judgment(
        assignment=turn.comparison.assignments.get(slot=0),
        labeler=labeler,
        answer=answer,
        client_key=client_key,
        seconds=seconds,
        now=now,
    )
    if turn.picked_id is None:
        second = answer.preference > 0 if answer.preference else _chance.random() < 0.5
        turn.picked = turn.comparison.second if second else turn.comparison.first
        turn.save(update_fields=["picked"])
    return judgment


@transaction.atomic
def end_chat(*, chat: Chat, now: datetime) -> None:
    """Close a conversation, so that the next message begins a new one. Answers nobody judged
    ask nobody any more."""
    chat = Chat.objects.select_for_update().get(pk=chat.pk)
    Assignment.objects.filter(
        comparison__chat_turn__chat=chat, answered_at__isnull=True, judgments__isnull=True
    ).delete()
    chat.turns.filter(comparison__isnull=True, picked__isnull=True).delete()
    chat.ended_at = chat.ended_at or now
    chat.save(update_fields=["ended_at"])


# What the stream does ----------------------------------------------------------------------------


@transaction.atomic
def begin_stream(*, turn: ChatTurn) -> uuid.UUID | None:
    """A key for the stream that is about to ask for the answers; None when none are wanted.

    They are there then, or the message was taken back. The stream begun last is the one that
    counts, so that a reload goes on at once.
    """
    try:
        turn = _locked(turn)
    except errors.ConversationMovedOn:
        return None
    if turn.is_answered:
        return None
    turn.stream_key = uuid.uuid4()
    turn.problem = ""
    turn.save(update_fields=["stream_key", "problem"])
    return turn.stream_key


def still_streams(*, turn: ChatTurn, key: uuid.UUID) -> bool:
    return ChatTurn.objects.filter(pk=turn.pk, stream_key=key).exists()


@transaction.atomic
def store_problem(*, turn: ChatTurn, key: uuid.UUID, problem: str) -> bool:
    """Say on the turn why it has no answers; False when another stream took over."""
    return bool(
        ChatTurn.objects.filter(
            pk=turn.pk, stream_key=key, comparison__isnull=True, picked__isnull=True
        ).update(problem=problem, stream_key=None)
    )


@transaction.atomic
def store_answers(
    *, turn: ChatTurn, key: uuid.UUID, first: Response, second: Response, now: datetime
) -> bool:
    """Put two finished answers (unsaved rows) before the labeler; False when another stream did.

    The same answer twice is nothing to judge: the conversation goes on from it. With an empty one
    it can't go on, and the turn says so. Both are counted as discarded pairs.
    """
    try:
        turn = _locked(turn)
    except errors.ConversationMovedOn:  # taken back meanwhile
        return False
    if turn.stream_key != key or turn.is_answered:
        return False
    turn.stream_key = None
    campaign = turn.chat.campaign
    reason = discard_reason(first.text, second.text)
    if reason is not None:
        DiscardedPair.objects.create(campaign=campaign, prompt=turn.prompt, reason=reason)
        if reason == DiscardedPair.Reason.EMPTY:
            turn.problem = ChatTurn.Problem.EMPTY
        else:
            first.save()
            turn.picked = first
        turn.save()
        return True
    first.save()
    second.save()
    [turn.comparison] = create_comparisons(
        campaign=campaign, pairs=[(first, second)], with_slots=False
    )
    Assignment.objects.create(
        comparison=turn.comparison,
        campaign=campaign,
        slot=0,
        first_on_left=turn.first_on_left,
        labeler=turn.chat.labeler,
        leased_until=now + ITS_LABELERS,
        price=campaign.price,
    )
    turn.save()
    return True


# In detail ---------------------------------------------------------------------------------------


def _over(campaign: Campaign, labeler: User, now: datetime) -> errors.NothingNow | None:
    allowed = allowance(labeler, campaign, now)
    return None if allowed.fresh else allowed.refusal()


def _locked(turn: ChatTurn) -> ChatTurn:
    """The turn as it stands now.

    Raises:
        ConversationMovedOn: it was taken back in another tab.
    """
    turns = ChatTurn.objects.select_for_update(of=("self",)).select_related(
        "chat__campaign", "chat__labeler", "prompt", "comparison"
    )
    found = turns.filter(pk=turn.pk).first()
    if found is None:
        raise errors.ConversationMovedOn
    return found


def _last_words(turn: ChatTurn) -> str:
    return str(turn.prompt.messages[-1]["content"])


def _said_before(stored: ChatTurn, labeler: User, text: str) -> ChatTurn:
    """What a key stored before, if the same is sent with it again."""
    if stored.chat.labeler_id != labeler.pk or _last_words(stored) != text:
        raise errors.KeyReused(gettext("This message was sent before with other words."))
    return stored


def _continued(last: ChatTurn | None, number: int, text: str) -> list[Message]:
    """The conversation with the labeler's next words.

    Raises:
        ConversationMovedOn: another turn is next.
        ConversationTooLong, MessageRefused.
    """
    if number != (last.number + 1 if last else 0) or (last and last.picked_id is None):
        raise errors.ConversationMovedOn
    messages = [*_so_far(last), {"role": "user", "content": _checked(text)}]
    if number >= MOST_TURNS or sum(len(m["content"]) for m in messages) > LONGEST_CONVERSATION:
        raise errors.ConversationTooLong
    return messages


def _so_far(last: ChatTurn | None) -> list[Message]:
    if last is None or last.picked is None:
        return []
    return [*last.prompt.messages, {"role": "assistant", "content": last.picked.text}]


def _checked(text: str) -> str:
    if not text:
        raise errors.MessageRefused
    if len(text) > LONGEST_MESSAGE:
        raise errors.MessageRefused(
            gettext("The message is longer than %(most)s characters; please shorten it.")
            % {"most": intcomma(LONGEST_MESSAGE)}
        )
    if "\x00" in text:
        raise errors.MessageRefused(
            gettext("The message holds a NUL character, which no text may.")
        )
    return text


def _drawn(campaign: Campaign) -> tuple[CampaignPolicy, CampaignPolicy]:
    """Who answers: two of the campaign's policies by chance, or twice the only one."""
    entrants = list(campaign.entrants.select_related("policy").exclude(policy__checkpoint=""))
    if not entrants:
        raise errors.NobodyAnswers
    one, other = _chance.sample(entrants, 2) if len(entrants) > 1 else entrants * 2
    return one, other


def _sampling(entrant: CampaignPolicy) -> dict[str, float | int]:
    return {
        "temperature": entrant.temperature,
        "top_p": entrant.top_p,
        "max_tokens": entrant.max_tokens,
        "seed": _chance.randrange(SEEDS),
    }
