"""Questions whose answer is known: made from new texts, or from a pair of the campaign."""

from datetime import datetime
from typing import IO, Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.utils.translation import gettext as _

from labeling import errors
from labeling.files.preferences import (
    LONGEST_RESPONSE,
    NUL,
    BadLine,
    check_response,
    read_messages,
    read_objects,
)
from labeling.models import Act, Campaign, GoldQuestion, Response, User
from labeling.services import audit
from labeling.services.comparisons import create_comparisons, has_pair
from labeling.services.imports import all_or_nothing, author_of_imports
from labeling.services.prompts import Message, check_messages, store_prompts


@transaction.atomic
def add_gold(
    *,
    campaign: Campaign,
    messages: list[Message],
    first: str,
    second: str,
    right: str,
    kind: str,
    explanation: str,
    by: User | None,
) -> GoldQuestion:
    """Make a question with a known answer. It asks nobody by itself: claims mix it in.

    Raises:
        BadRow: the texts can't be a pair, or are one of the campaign already.
    """
    [prompt] = store_prompts([(check_messages(messages), "")])
    author = author_of_imports()
    if has_pair(campaign, prompt, [first, second]):
        raise errors.BadRow(_("The campaign has this pair already; give it its answer there."))
    one, other = (
        Response.objects.create(prompt=prompt, policy=author, text=text) for text in (first, second)
    )
    made = create_comparisons(campaign=campaign, pairs=[(one, other)], with_slots=False)
    if not made:
        raise errors.BadRow(_("The two responses are the same, so neither can be better."))
    gold = GoldQuestion.objects.create(
        comparison=made[0], kind=kind, right=right, explanation=explanation, created_by=by
    )
    audit.record(actor=by, act=Act.GOLD_ADDED, subject=gold, campaign=campaign)
    return gold


@transaction.atomic
def retire_gold(*, gold: GoldQuestion, by: User, now: datetime) -> None:
    """Ask a question no more; the answers to it stay, and count no more."""
    GoldQuestion.objects.filter(pk=gold.pk, retired_at__isnull=True).update(retired_at=now)
    audit.record(actor=by, act=Act.GOLD_RETIRED, subject=gold, campaign=gold.comparison.campaign)


@transaction.atomic
def import_gold(*, campaign: Campaign, file: IO[bytes], by: User | None) -> int:
    """Add the questions of a JSONL file: all of them, or none.

    A line is {"prompt": a text or messages, "responses": [first, second], "right": "first",
    "second" or "equal", "kind": "silent", "attention" or "test", "explanation": ...}.

    Raises:
        BadRow: with the line and the field at fault.
    """
    count = 0
    with all_or_nothing():
        for number, row in read_objects(file):
            _add_row(number, row, campaign, by)
            count += 1
    if not count:
        raise errors.BadRow(_("The file holds no question. Nothing was imported."))
    return count


def _add_row(number: int, row: dict[str, Any], campaign: Campaign, by: User | None) -> None:
    first, second = _responses(number, row.get("responses"))
    try:
        add_gold(
            campaign=campaign,
            messages=read_messages(number, row.get("prompt")),
            first=first,
            second=second,
            right=_one_of(number, "right", row.get("right"), GoldQuestion.Right.values),
            kind=_one_of(
                number, "kind", row.get("kind", GoldQuestion.Kind.SILENT), GoldQuestion.Kind.values
            ),
            explanation=_explanation(number, row.get("explanation", "")),
            by=by,
        )
    except errors.BadRow as problem:
        raise BadLine(number, str(problem)) from None


def _responses(number: int, texts: Any) -> list[str]:
    if (
        not isinstance(texts, list)
        or len(texts) != 2
        or not all(isinstance(text, str) and text for text in texts)
    ):
        raise BadLine(
            number,
            _('"responses" must be two texts of up to %(most)s characters.')
            % {"most": intcomma(LONGEST_RESPONSE)},
        )
    for text in texts:
        check_response(number, text)
    return texts


def _one_of(number: int, name: str, value: Any, known: list[str]) -> str:
    if value not in known:
        raise BadLine(
            number,
            _('"%(name)s" must be one of %(known)s.') % {"name": name, "known": ", ".join(known)},
        )
    return value


def _explanation(number: int, text: Any) -> str:
    if not isinstance(text, str):
        raise BadLine(number, _('"explanation" must be a text.'))
    if "\x00" in text:
        raise BadLine(number, NUL % {"name": "explanation"})
    return text
