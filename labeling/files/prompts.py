"""Reading files of prompts made elsewhere: JSONL, CSV, Parquet, a Hugging Face data set folder.

No database. A file is read row by row, so its size does not matter; what is wrong is said with
the row, and the field where one is at fault.
"""

import csv
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _

from labeling.files.preferences import (
    LONGEST_LINE,
    BadLine,
    decompressed,
    read_lines,
    read_objects,
)

ROWS_AT_ONCE = 64  # of a Parquet file
BUFFER = 1 << 20  # bytes: pages of a column are read through it, not whole columns
MOST_UNPACKED = 64 << 30  # bytes of a folder's files: more is a bomb, or belongs on the server
MOST_MEMBERS = 10_000
# Data files of a folder; what else lies there (README.md, images) is none.
ENDINGS = (".jsonl", ".json", ".jsonl.gz", ".csv", ".csv.gz", ".parquet", ".arrow")
NO_DATA = {"dataset_info.json", "state.json", "dataset_dict.json", "dataset_infos.json"}


class BadCell(ValueError):
    """A row that can't be used: where it stands, the field at fault, and what is wrong."""

    def __init__(self, place: str, problem: str, field: str = "") -> None:
        if field:
            place = _("%(place)s, field “%(field)s”") % {"place": place, "field": field}
        super().__init__(_("%(place)s: %(problem)s") % {"place": place, "problem": problem})


@dataclass(frozen=True)
class Row:
    """What a file says about one prompt, and where: "Line 3", "train.csv, row 2"."""

    place: str
    values: dict[str, Any]


def read_rows(
    source: IO[bytes] | Path, name: str = "", *, split: str = "", fields: tuple[str, ...] = ()
) -> Iterator[Row]:
    """The rows of a file or folder, in its order.

    What a file is shows in its first bytes; only CSV needs its name. Of a folder, zipped or not,
    the files of one split are read: those whose path names it, or all where none is asked for.

    Args:
        source: a file that can be searched through, or a folder.
        name: what the file is called.
        split: such as "train".
        fields: what is wanted of Parquet; other columns are not read at all.

    Raises:
        BadCell: at the first row that can't be read, and for a file that is none of these.
    """
    if isinstance(source, Path):
        if source.is_dir():
            yield from _folder(source, split, fields)
            return
        with source.open("rb") as file:
            yield from read_rows(file, source.name, split=split, fields=fields)
        return
    source.seek(0)
    start = source.read(8)
    source.seek(0)
    if start[:4] == b"PK\x03\x04":
        yield from _zipped(source, split, fields)
    else:
        yield from _one_file(source, name, start, fields)


def _one_file(file: IO[bytes], name: str, start: bytes, fields: tuple[str, ...]) -> Iterator[Row]:
    if start[:4] == b"PAR1":
        yield from _parquet(file, fields)
    elif name.endswith(".arrow"):
        yield from _arrow(file, fields)
    elif name.removesuffix(".gz").endswith((".csv", ".tsv")):
        yield from _csv(file, "\t" if ".tsv" in name else ",")
    else:
        yield from _jsonl(file)


def _jsonl(file: IO[bytes]) -> Iterator[Row]:
    try:
        for number, values in read_objects(file):
            yield Row(_("Line %(number)d") % {"number": number}, values)
    except BadLine as problem:
        raise BadCell(*_place_and_problem(problem)) from None


def _place_and_problem(problem: BadLine) -> tuple[str, str]:
    return _("Line %(number)d") % {"number": problem.number}, problem.problem


def _csv(file: IO[bytes], delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_LINE)
    place = _("Row %(number)d")
    reader = csv.reader(
        (line for _number, line in read_lines(decompressed(file))), delimiter=delimiter, strict=True
    )
    number = 1
    names: list[str] | None = None
    try:
        for cells in reader:
            if not cells:
                continue
            if names is None:
                names = _named(cells)
            elif len(cells) != len(names):
                raise BadCell(
                    place % {"number": number},
                    _("there are %(cells)d cells, but %(names)d columns.")
                    % {"cells": len(cells), "names": len(names)},
                )
            else:
                yield Row(place % {"number": number}, dict(zip(names, cells, strict=True)))
            number += 1
    except csv.Error as problem:
        raise BadCell(
            place % {"number": number}, _("this is not valid CSV (%(why)s).") % {"why": problem}
        ) from None
    except BadLine as problem:
        raise BadCell(*_place_and_problem(problem)) from None


def _named(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadCell(
            _("Row %(number)d") % {"number": 1},
            _("two columns have the name “%(name)s”.") % {"name": twice},
        )
    return names


def _parquet(file: IO[bytes], fields: tuple[str, ...]) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False)
        known = [name for name in table.schema_arrow.names if not fields or name in fields]
        batches = table.iter_batches(ROWS_AT_ONCE, columns=known, use_threads=False)
        yield from _numbered(batches)
    except (ArrowException, OSError) as problem:
        raise _damaged("Parquet", problem) from None


def _arrow(file: IO[bytes], fields: tuple[str, ...]) -> Iterator[Row]:
    """What `save_to_disk` of the library `datasets` writes."""
    from pyarrow import ArrowException, ipc

    try:
        with ipc.open_stream(file) as stream:
            known = [name for name in stream.schema.names if not fields or name in fields]
            yield from _numbered(batch.select(known) for batch in stream)
    except (ArrowException, OSError) as problem:
        raise _damaged("Arrow", problem) from None


def _numbered(batches: Iterator[Any]) -> Iterator[Row]:
    place, number = _("Row %(number)d"), 0
    for batch in batches:
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            for values in batch.slice(start, ROWS_AT_ONCE).to_pylist():
                number += 1
                yield Row(place % {"number": number}, values)


def _damaged(kind: str, problem: Exception) -> BadCell:
    why = str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__
    return BadCell(
        _("The file"), _("it can't be read as %(kind)s (%(why)s).") % {"kind": kind, "why": why}
    )


# Folders -----------------------------------------------------------------------------------------


def _folder(folder: Path, split: str, fields: tuple[str, ...]) -> Iterator[Row]:
    root = folder.resolve()
    inside = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.resolve().is_relative_to(root)  # no link leads out of it
    }
    yield from _members(list(inside), lambda name: inside[name].open("rb"), split, fields)


def _zipped(file: IO[bytes], split: str, fields: tuple[str, ...]) -> Iterator[Row]:
    """A zipped folder; nothing is unpacked under a name that it gives."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if len(members) > MOST_MEMBERS or size > MOST_UNPACKED:
                raise BadCell(
                    _("The file"),
                    _("it unpacks to more than %(most)s files or %(bytes)s bytes.")
                    % {"most": intcomma(MOST_MEMBERS), "bytes": intcomma(MOST_UNPACKED)},
                )
            if any(member.flag_bits & 1 for member in members):
                raise BadCell(_("The file"), _("it is locked with a password."))
            names = [member.filename for member in members if not member.is_dir()]
            yield from _members(names, lambda name: _unpacked(archive, name), split, fields)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as problem:
        raise _damaged("ZIP", problem) from None


def _unpacked(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """One member in a nameless file on the disk: Parquet begins at its end, and zips can't skip."""
    most = archive.getinfo(name).file_size
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asked closes it
    with archive.open(name) as packed:
        while chunk := packed.read(BUFFER):
            most -= len(chunk)
            if most < 0:
                raise zipfile.BadZipFile(name)
            file.write(chunk)
    file.seek(0)
    return file


def _members(
    names: list[str], opened: Callable[[str], IO[bytes]], split: str, fields: tuple[str, ...]
) -> Iterator[Row]:
    data = [name for name in sorted(names) if _holds_data(name)]
    wanted = [name for name in data if not split or split in _words(name)]
    if not wanted:
        what = (
            _("no data file of the split “%(split)s” is in it; it has: %(names)s.")
            % {"split": split, "names": ", ".join(data[:5])}
            if data
            else _("no JSONL, CSV, Parquet or Arrow file is in it.")
        )
        raise BadCell(_("The folder"), what)
    for name in wanted:
        with closing(opened(name)) as file, _placed(name):
            start = file.read(8)
            file.seek(0)
            for row in _one_file(file, name, start, fields):
                yield Row(f"{name}: {row.place}", row.values)


@contextmanager
def _placed(name: str) -> Iterator[None]:
    try:
        yield
    except BadCell as problem:
        raise BadCell(name, str(problem)) from None


def _holds_data(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__")) for part in path.parts)
    return name.endswith(ENDINGS) and path.name not in NO_DATA and not hidden


def _words(name: str) -> set[str]:
    """The parts of a path: "data/train-00000-of-00002.parquet" has "data" and "train"."""
    return {word for part in PurePosixPath(name).parts for word in part.split(".")[0].split("-")}
