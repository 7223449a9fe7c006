"""Live conversations: a message, two answers as they are written, a judgment, and on."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labeling import errors, sittings
from labeling.access import campaign_for, campaigns_for
from labeling.forms import JudgmentForm
from labeling.models import Campaign, Chat, ChatTurn, User
from labeling.requests import SignedIn, refusals_in
from labeling.services import chats as service
from labeling.views.work import answered_today, today_in_words
from rlhf.forms import MessageForm
from rlhf.services.chats import News, stream_answers


@never_cache
@login_required
@require_safe
def chat(request: SignedIn, pk: int) -> HttpResponse:
    """The labeler's conversation in one campaign, or the place to begin one."""
    campaign = campaign_for(request.user, pk)
    if campaign.kind != Campaign.Kind.CHAT:
        return redirect("labeling:work", campaign.pk)
    if sittings.warning_unread(request, campaign, timezone.now()):
        return redirect("labeling:work", campaign.pk)  # which shows the warning first
    return show(request, campaign)


@never_cache
@login_required
@require_POST
def say(request: SignedIn, pk: int) -> HttpResponse:
    """Take a message; its answers are streamed to the page that follows."""
    campaign = campaign_for(request.user, pk)
    form = MessageForm(request.POST)
    if not form.is_valid():
        return show(request, campaign, message_form=form, status=422)
    try:
        service.say(
            campaign=campaign,
            labeler=request.user,
            number=form.cleaned_data["number"],
            text=form.cleaned_data["message"],
            client_key=form.cleaned_data["client_key"],
            now=timezone.now(),
        )
    except (errors.MessageRefused, errors.NobodyAnswers) as refusal:
        form.add_error("message", str(refusal))
        return show(request, campaign, message_form=form, status=422)
    except errors.Refused as refusal:
        unsent = form.cleaned_data["message"]
        return show(request, campaign, refusal=refusal, unsent=unsent, status=409)
    return shown(request, campaign)


@never_cache
@login_required
@require_safe
def stream(request: SignedIn, pk: int) -> StreamingHttpResponse:
    """Server-sent events: both answers as they are written."""
    events = StreamingHttpResponse(
        as_events(turn_for(request.user, pk)), content_type="text/event-stream"
    )
    events["X-Accel-Buffering"] = "no"  # nginx would collect them
    return events


def as_events(turn: ChatTurn) -> Iterator[str]:
    """A generator, which Django closes when the page is left; a `map` it could not."""
    with closing(stream_answers(turn)) as told:
        yield from map(as_event, told)


def as_event(news: News) -> str:
    if news.kind != "text":
        return f"event: {news.kind}\ndata:\n\n"
    if not (news.left or news.right):
        return ":\n\n"
    return f"data: {json.dumps({'left': news.left, 'right': news.right})}\n\n"


@never_cache
@login_required
@require_POST
def judge(request: SignedIn, pk: int) -> HttpResponse:
    """Save which answer is better; the conversation goes on from it."""
    turn = turn_for(request.user, pk)
    campaign = turn.chat.campaign
    form = JudgmentForm(request.POST, campaign=campaign)
    try:
        if turn.comparison is None:
            raise errors.ConversationMovedOn
        with refusals_in(form, of=errors.AnswerNotOffered):
            if form.is_valid():
                service.judge_turn(
                    turn=turn,
                    labeler=request.user,
                    answer=form.judgment(turn.comparison.assignments.get(slot=0)),
                    client_key=form.cleaned_data["client_key"],
                    seconds=form.cleaned_data["seconds"],
                    now=timezone.now(),
                )
    except errors.Refused as refusal:
        return show(request, campaign, refusal=refusal, status=409)
    if not form.is_valid():
        return show(request, campaign, form=form, status=422)
    return shown(request, campaign)


@never_cache
@login_required
@require_POST
def again(request: SignedIn, pk: int) -> HttpResponse:
    """Ask the policies once more after something went wrong."""
    turn = turn_for(request.user, pk)
    service.ask_again(turn=turn)
    return shown(request, turn.chat.campaign)


@never_cache
@login_required
@require_POST
def take_back(request: SignedIn, pk: int) -> HttpResponse:
    """Word an unanswered message anew."""
    turn = turn_for(request.user, pk)
    campaign = turn.chat.campaign
    try:
        text = service.take_back(turn=turn)
    except errors.Refused as refusal:
        return show(request, campaign, refusal=refusal, status=409)
    return show(request, campaign, message_form=MessageForm(initial={"message": text}))


@never_cache
@login_required
@require_POST
def end(request: SignedIn, pk: int) -> HttpResponse:
    """Close the conversation and show the place to begin another."""
    found = get_object_or_404(
        Chat, pk=pk, labeler=request.user, campaign__in=campaigns_for(request.user)
    )
    service.end_chat(chat=found, now=timezone.now())
    return shown(request, found.campaign)


def turn_for(user: User, pk: int) -> ChatTurn:
    """A turn of the user's own, in a campaign the user still labels in."""
    return get_object_or_404(
        ChatTurn.objects.select_related(
            "chat__campaign", "prompt", "comparison", "first_policy", "second_policy"
        ),
        pk=pk,
        chat__labeler=user,
        chat__campaign__in=campaigns_for(user),
    )


def shown(request: SignedIn, campaign: Campaign) -> HttpResponse:
    """How the conversation stands now, after something was done to it."""
    return show(request, campaign) if request.htmx else redirect("rlhf:chat", campaign.pk)


def show(
    request: SignedIn,
    campaign: Campaign,
    *,
    form: JudgmentForm | None = None,
    message_form: MessageForm | None = None,
    refusal: errors.Refused | None = None,
    unsent: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page, or only its conversation for the script that puts it in place."""
    found = Chat.objects.filter(campaign=campaign, labeler=request.user, ended_at=None).first()
    last = found.turns.select_related("prompt", "picked", "comparison").last() if found else None
    number = 0 if last is None else last.number + 1
    context: dict[str, Any] = {
        "campaign": campaign,
        "chat": found,
        "turn": last,
        "messages_so_far": list(messages_so_far(last)),
        "refusal": refusal,
        "unsent": unsent,
        "message_form": message_form or MessageForm(),
        "number": number,
        "form": form or JudgmentForm(campaign=campaign),
        "today_in_words": today_in_words(answered_today(request.user)),
    }
    if (last is None or last.picked_id) and campaign.status == Campaign.Status.OPEN:
        context["rest"] = service.over(campaign=campaign, labeler=request.user, now=timezone.now())
    if last and last.comparison and last.picked_id is None:
        context["assignment"] = last.comparison.assignments.select_related(
            "comparison__first", "comparison__second"
        ).get(slot=0)
    template = "rlhf/chat.html#chat" if request.htmx else "rlhf/chat.html"
    return render(request, template, context, status=status)


def messages_so_far(last: ChatTurn | None) -> Iterator[dict[str, str]]:
    if last is None:
        return
    yield from last.prompt.messages
    if last.picked:
        yield {"role": "assistant", "content": last.picked.text}
