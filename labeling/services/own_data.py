"""Everything that is stored about one user: a ZIP of JSON lines, made while it is sent."""

import io
import json
import zipfile
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import ForeignObjectRel, Model

from labeling.models import Judgment, User

AT_A_TIME = 1000  # rows read, and then sent
# What opens doors is not given away, not even to whom it belongs.
SECRET = {"password", "digest", "data", "secret", "key"}
ABOUT = """What Accord stores about you. Each file holds one kind of row, one row a line, as JSON.

account.jsonl     your account
judgments.jsonl   each answer you gave, with what you were asked; preference is about (first,
                  second): negative means that the first is better
The other files are named by the table and by what you are to its rows: labeling-skip-labeler holds
the pairs you skipped, labeling-auditevent-actor what you did as a manager or an engineer.
"""


class _Outlet(io.RawIOBase):
    """Where the ZIP is written, and taken from piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self.pieces = b"".join(self.pieces), []
        return taken


def own_data(user: User) -> Iterator[bytes]:
    """The pieces of the file. Memory does not grow with its size."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.txt", ABOUT)
        for name, rows in _files(user):
            with archive.open(f"{name}.jsonl", "w", force_zip64=True) as file:
                while some := list(islice(rows, AT_A_TIME)):
                    file.write("".join(map(_line, some)).encode())
                    yield outlet.take()
            yield outlet.take()
    yield outlet.take()


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, cls=DjangoJSONEncoder) + "\n"


def _files(user: User) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    yield "account", iter([_row(user)])
    yield "judgments", _judgments(user)
    # Every table that names a user: one that is added later is in the file by itself.
    for relation in User._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ForeignObjectRel):
            continue
        model = relation.related_model
        if not isinstance(model, type) or model is Judgment or model._meta.auto_created:
            continue
        field = relation.field.name
        rows = model._default_manager.filter(**{field: user}).order_by("pk")
        name = f"{model._meta.app_label}-{model._meta.model_name}-{field}"
        yield name, (_row(row) for row in rows.iterator(chunk_size=AT_A_TIME))


def _row(row: Model) -> dict[str, Any]:
    return {
        field.name: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.name not in SECRET
    }


def _judgments(user: User) -> Iterator[dict[str, Any]]:
    judgments = (
        Judgment.objects.filter(labeler=user)
        .select_related("tombstone")
        .prefetch_related(
            "comparison__prompt", "comparison__first", "comparison__second", "comparison__campaign"
        )
        .order_by("id")
    )
    for judgment in judgments.iterator(chunk_size=AT_A_TIME):
        comparison = judgment.comparison
        yield {
            **_row(judgment),
            "campaign": comparison.campaign.name,
            "prompt": comparison.prompt.messages,
            "first": comparison.first.text,
            "second": comparison.second.text,
            "withdrawn": hasattr(judgment, "tombstone"),
        }
