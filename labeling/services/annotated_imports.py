"""Files in which several annotators judged each pair: who said what stays apart."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO

from django.db import transaction
from django.utils.translation import gettext as _

from labeling import errors
from labeling.files.annotated import AnnotatedPair, is_annotated, is_list, read_annotated
from labeling.files.preferences import BadLine
from labeling.models import (
    Campaign,
    Comparison,
    Judgment,
    Policy,
    PreferenceImport,
    Prompt,
    Response,
    User,
)
from labeling.services.imports import (
    KEYS,
    ROWS_AT_A_TIME,
    ImportReport,
    author_of_imports,
    conclude,
    import_preferences,
    register_file,
    with_prompts,
)


def import_judgments(
    *,
    campaign: Campaign,
    file: IO[bytes],
    name: str,
    by: User | None,
    now: datetime,
    folder: Path | None = None,
) -> ImportReport:
    """Take in a file of judgments in whichever layout it has: all of it, or nothing.

    Raises:
        NotAPairCampaign, BadRow, AlreadyImported.
    """
    taking_in = import_annotated if is_annotated(file) else import_preferences
    return taking_in(campaign=campaign, file=file, name=name, by=by, now=now, folder=folder)


@transaction.atomic
def import_annotated(
    *,
    campaign: Campaign,
    file: IO[bytes],
    name: str,
    by: User | None,
    now: datetime,
    folder: Path | None = None,
) -> ImportReport:
    """Take in a file in which several annotators judged each pair: all of it, or nothing.

    First and second are the file's own: agreement beyond chance depends on it. A pair of which one
    response is empty is kept, as people judged it; it is never asked about nor trained on.

    Raises:
        NotAPairCampaign: pairs are judged nowhere else.
        BadRow: with its number; nothing was imported.
        AlreadyImported: the campaign has this very file.
    """
    if campaign.kind != Campaign.Kind.COMPARISON:
        raise errors.NotAPairCampaign
    source = register_file(PreferenceImport, campaign, file, name, by)
    report = ImportReport()
    listed = is_list(file)
    try:
        rows = read_annotated(file)
        while batch := list(islice(rows, ROWS_AT_A_TIME)):
            _store(batch, campaign, source, report, now, folder)
    except BadLine as problem:
        words = _("Entry %(number)d: %(problem)s") if listed else _("Line %(number)d: %(problem)s")
        told = words % {"number": problem.number, "problem": problem.problem}
        raise errors.BadRow(_("%(problem)s Nothing was imported.") % {"problem": told}) from None
    return conclude(source, report, by)


def _store(
    batch: list[AnnotatedPair],
    campaign: Campaign,
    source: PreferenceImport,
    report: ImportReport,
    now: datetime,
    folder: Path | None,
) -> None:
    usable = [
        (row, prompt)
        for row, prompt in with_prompts(batch, folder)
        if row.responses[0] != row.responses[1]
    ]
    report.discarded += len(batch) - len(usable)
    responses = _responses(usable)
    pairs = []
    for row, prompt in usable:
        one, other = (responses[key] for key in _keys(row, prompt))
        pairs.append((row, one, other))
    comparisons = _comparisons(campaign, [(one, other) for _, one, other in pairs])
    judgments: list[Judgment] = []
    for row, one, other in pairs:
        comparison = comparisons.pop((one.pk, other.pk), None)
        if comparison is None:
            report.repeated += 1
            continue
        report.preferences += 1
        judgments += (
            _judgment(comparison, source, row.number, annotator, answer, now)
            for annotator, answer in row.answers.items()
        )
    Judgment.objects.bulk_create(judgments)
    report.judgments += len(judgments)


Key = tuple[int, str, str]  # prompt, name of the author, text


def _keys(row: AnnotatedPair, prompt: Prompt) -> list[Key]:
    return [
        (prompt.pk, author, text) for author, text in zip(row.authors, row.responses, strict=True)
    ]


def _responses(rows: Iterable[tuple[AnnotatedPair, Prompt]]) -> dict[Key, Response]:
    """What each author said to each prompt, stored once however often it is compared."""
    wanted = dict.fromkeys(key for row, prompt in rows for key in _keys(row, prompt))
    unknown = author_of_imports()
    authors = {
        name: Policy.objects.get_or_create(name=name, version=0)[0] if name else unknown
        for name in {name for _, name, _ in wanted}
    }
    stored = {
        (response.prompt_id, response.policy_id, response.text): response
        for response in Response.objects.filter(
            prompt__in={prompt for prompt, _, _ in wanted}, policy__in=authors.values()
        )
    }
    found = {
        key: stored.get((key[0], authors[key[1]].pk, key[2]))
        or Response(
            prompt_id=key[0],
            policy=authors[key[1]],
            text=key[2],
            finish_reason="" if key[2] else Response.NOTHING_SAID,
        )
        for key in wanted
    }
    Response.objects.bulk_create([each for each in found.values() if each.pk is None])
    return found


def _comparisons(
    campaign: Campaign, pairs: Iterable[tuple[Response, Response]]
) -> dict[tuple[int, int], Comparison]:
    """New comparisons without slots, by (first, second); pairs the campaign has are left out."""
    wanted = {(one.pk, other.pk): one.prompt_id for one, other in pairs}
    known = {
        frozenset(pair)
        for pair in Comparison.objects.filter(
            campaign=campaign, prompt__in=set(wanted.values())
        ).values_list("first_id", "second_id")
    }
    fresh = {}
    for (one, other), prompt in wanted.items():
        if frozenset((one, other)) not in known:
            known.add(frozenset((one, other)))
            fresh[one, other] = prompt
    made = Comparison.objects.bulk_create(
        Comparison(campaign=campaign, prompt_id=prompt, first_id=one, second_id=other)
        for (one, other), prompt in fresh.items()
    )
    return {(each.first_id, each.second_id): each for each in made}


def _judgment(
    comparison: Comparison,
    source: PreferenceImport,
    number: int,
    annotator: str,
    answer: int,
    now: datetime,
) -> Judgment:
    return Judgment(
        comparison=comparison,
        judge_kind=Judgment.JudgeKind.PERSON,
        imported_from=source,
        annotator=annotator,
        preference=answer,
        equal="" if answer else Judgment.Equal.TIE,
        client_key=uuid.uuid5(KEYS, f"{source.pk}:{number}:{annotator}"),
        created_at=now,
    )
