from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.utils.translation import gettext as _

from labeling import errors
from labeling.models import Campaign, Comparison, Policy, Prompt, Response
from labeling.preference_files import LONGEST_RESPONSE, BadLine, read_messages, read_objects
from labeling.services.comparisons import create_comparisons
from labeling.services.imports import author_of_imports
from labeling.services.prompts import check_messages, store_prompts


@dataclass
class PromptReport:
    """What became of a file of prompts."""

    prompts: int = 0
    pairs: int = 0


@transaction.atomic
def import_prompts(
    *, campaign: Campaign, file: IO[bytes], folder: Path | None = None
) -> PromptReport:
    """Add a file's prompts to a campaign: all of them, or none.

    A line is {"prompt": a text or messages, "category": ..., "responses": [one, other]}; with the
    two responses it is a pair to judge at once, without them the campaign's policies may answer.
    The user's messages may carry "images". What the campaign has already is not added again.

    Raises:
        BadRow: with the line number.
    """
    report = PromptReport()
    author = author_of_imports()
    try:
        for number, row in read_objects(file):
            prompt = _prompt(number, row, folder)
            campaign.prompts.add(prompt)
            report.prompts += 1
            report.pairs += _pair(number, row, prompt, campaign, author)
    except BadLine as problem:
        raise errors.BadRow(_("%(problem)s Nothing was imported.") % {"problem": problem}) from None
    if not report.prompts:
        raise errors.BadRow(_("The file holds no prompt. Nothing was imported."))
    return report


def _prompt(number: int, row: dict[str, Any], folder: Path | None) -> Prompt:
    category = row.get("category", "")
    if not isinstance(category, str):
        raise BadLine(number, _('"category" must be a text.'))
    try:
        messages = check_messages(read_messages(number, row.get("prompt")), folder)
    except errors.BadRow as problem:
        raise BadLine(number, str(problem)) from None
    return store_prompts([(messages, category[:60])])[0]


def _pair(
    number: int, row: dict[str, Any], prompt: Prompt, campaign: Campaign, author: Policy
) -> int:
    texts = row.get("responses")
    if texts is None:
        return 0
    if not isinstance(texts, list) or len(texts) != 2 or not all(map(_is_response, texts)):
        raise BadLine(
            number,
            _('"responses" must be two texts of up to %(most)s characters.')
            % {"most": intcomma(LONGEST_RESPONSE)},
        )
    known = Comparison.objects.filter(
        campaign=campaign, prompt=prompt, first__text__in=texts, second__text__in=texts
    )
    if known.exists():
        return 0
    first, second = (
        Response.objects.create(prompt=prompt, policy=author, text=text) for text in texts
    )
    return len(create_comparisons(campaign=campaign, pairs=[(first, second)]))


def _is_response(text: object) -> bool:
    return (
        isinstance(text, str) and 0 < len(text.strip()) <= LONGEST_RESPONSE and "\x00" not in text
    )
