import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.db import transaction

from labeling.models import Act, Campaign, Judgment, User
from labeling.selectors.judgments import (
    about_two_texts,
    current_judgments,
    with_what_was_judged,
)
from labeling.services import audit

ROWS_AT_A_TIME = 1000

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema(
    [
        ("prompt", _MESSAGES),
        ("chosen", _MESSAGES),
        ("rejected", _MESSAGES),
        ("margin", pa.float64()),
        ("category", pa.string()),
        ("campaign", pa.string()),
        ("labeler", pa.string()),
        ("judge_kind", pa.string()),
        ("chosen_policy", pa.string()),
        ("rejected_policy", pa.string()),
        ("comparison", pa.int64()),
        ("group", pa.int64()),  # pairs of responses that were ranked together share it
        ("judged_at", pa.string()),
    ]
)


@transaction.atomic
def note_export(
    *,
    campaign: Campaign,
    kinds: Sequence[str],
    to: str,
    by: User | None,
    act: Act = Act.PREFERENCES_EXPORTED,
) -> None:
    """Write down that somebody takes a campaign's data away, before the first row goes."""
    audit.record(
        actor=by,
        act=act,
        subject=campaign,
        details={"judge_kinds": sorted(kinds), "format": to},
    )


def preference_rows(
    campaign: Campaign, kinds: Sequence[str] = (Judgment.JudgeKind.PERSON,)
) -> Iterator[dict[str, Any]]:
    """Each preference that stands, in the conversational layout TRL reads; it has no ties.

    Nor has it pairs of which one response is empty.

    Rows come from a server-side cursor, so memory does not grow with their number.
    """
    judgments = (
        with_what_was_judged(about_two_texts(current_judgments(campaign, kinds)))
        .exclude(preference=0)
        .order_by("id")
        .iterator(chunk_size=ROWS_AT_A_TIME)
    )
    for judgment in judgments:
        yield _row(judgment, campaign)


def _row(judgment: Judgment, campaign: Campaign) -> dict[str, Any]:
    comparison = judgment.comparison
    chosen, rejected = comparison.first, comparison.second
    if judgment.preference > 0:
        chosen, rejected = rejected, chosen
    return {
        "prompt": comparison.prompt.messages,
        "chosen": [{"role": "assistant", "content": chosen.text}],
        "rejected": [{"role": "assistant", "content": rejected.text}],
        "margin": abs(judgment.preference) / campaign.strength,
        "category": comparison.prompt.category,
        "campaign": campaign.name,
        "labeler": anonymous_name(judgment.labeler_id),
        "judge_kind": judgment.judge_kind,
        "chosen_policy": chosen.policy.slug,
        "rejected_policy": rejected.policy.slug,
        "comparison": comparison.pk,
        "group": comparison.group_id,
        "judged_at": judgment.created_at.isoformat(),
    }


def anonymous_name(labeler_id: int | None) -> str:
    """The same labeler has the same name in every export; without the secret key nobody can
    tell who it is. Empty for imported judgments, whose labelers are not known."""
    if labeler_id is None:
        return ""
    return hmac.new(
        settings.SECRET_KEY.encode(), f"labeler:{labeler_id}".encode(), hashlib.sha256
    ).hexdigest()[:12]


def jsonl_lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def write_jsonl(rows: Iterable[dict[str, Any]], file: IO[bytes]) -> int:
    """Write a line for each row; returns how many."""
    count = 0
    for line in jsonl_lines(rows):
        file.write(line.encode())
        count += 1
    return count


def write_parquet(rows: Iterable[dict[str, Any]], file: IO[bytes]) -> int:
    """Write rows group by group; returns how many."""
    count = 0
    with pq.ParquetWriter(file, SCHEMA) as writer:
        rest = iter(rows)
        while group := list(islice(rest, ROWS_AT_A_TIME)):
            writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
            count += len(group)
    return count
