"""Reading prompts from files of every layout, and saying where one is wrong."""

import csv
import gzip
import io
import json
import tracemalloc
import zipfile

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from labeling.files.prompts import BadCell, read_rows

ROWS = [
    {"prompt": "Why is the sky blue?", "category": "facts"},
    {"prompt": 'Write "two\nlines", please.', "category": "style"},
]


def jsonl(rows=ROWS):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows=ROWS, delimiter=","):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def as_parquet(rows=ROWS):
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def as_arrow(rows=ROWS):
    file = io.BytesIO()
    table = pa.Table.from_pylist(rows)
    with ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    return file.getvalue()


def zipped(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def read(content, name="", **more):
    return [row.values for row in read_rows(io.BytesIO(content), name, **more)]


def refusal(content, name="", **more):
    with pytest.raises(BadCell) as refused:
        read(content, name, **more)
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (jsonl(), "prompts.jsonl"),
        (gzip.compress(jsonl()), "prompts.jsonl.gz"),
        (as_csv(), "prompts.csv"),
        (as_csv(delimiter="\t"), "prompts.tsv"),
        (gzip.compress(as_csv()), "prompts.csv.gz"),
        (as_parquet(), "whatever it is called"),
        (as_arrow(), "data-00000-of-00001.arrow"),
        (zipped({"data/train.jsonl": jsonl()}), "set.zip"),
        (zipped({"data/train-00000-of-00001.parquet": as_parquet()}), "set.zip"),
    ],
)
def test_every_layout_says_the_same(content, name):
    assert read(content, name) == ROWS


def test_a_row_knows_where_it_stands():
    def places(content, name=""):
        return [row.place for row in read_rows(io.BytesIO(content), name)]

    assert places(b"\n" + jsonl()) == ["Line 2", "Line 3"]
    assert places(as_csv(), "x.csv") == ["Row 2", "Row 3"]  # as a spreadsheet counts
    assert places(as_parquet()) == ["Row 1", "Row 2"]
    assert places(zipped({"a.csv": as_csv()})) == ["a.csv: Row 2", "a.csv: Row 3"]


class TestFolders:
    def test_a_folder_on_the_disk_is_read_as_its_zip_is(self, tmp_path):
        (tmp_path / "data").mkdir()
        for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
            (tmp_path / "data" / f"{name}.parquet").write_bytes(as_parquet())
        (tmp_path / "README.md").write_text("A set.")
        (tmp_path / "dataset_info.json").write_text("{}")
        assert len(list(read_rows(tmp_path))) == 6
        assert len(list(read_rows(tmp_path, split="train"))) == 4
        files = {
            path.relative_to(tmp_path).as_posix(): path.read_bytes()
            for path in tmp_path.rglob("*")
            if path.is_file()
        }
        assert read(zipped(files), split="train") == ROWS * 2

    def test_a_link_that_leads_out_of_the_folder_is_not_followed(self, tmp_path):
        outside, inside = tmp_path / "secret.jsonl", tmp_path / "set"
        inside.mkdir()
        outside.write_bytes(jsonl())
        (inside / "train.jsonl").symlink_to(outside)
        with pytest.raises(BadCell, match="no JSONL"):
            list(read_rows(inside))

    def test_a_split_that_is_not_there_is_named_beside_what_is(self):
        said = refusal(zipped({"data/test.jsonl": jsonl()}), split="train")
        assert "train" in said
        assert "data/test.jsonl" in said

    def test_names_in_a_zip_lead_nowhere(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert "no JSONL" in refusal(zipped({"../../evil.jsonl": jsonl()}))
        assert not list(tmp_path.rglob("*"))

    def test_a_member_larger_than_it_claims_is_refused(self):
        content = bytearray(zipped({"train.jsonl": b" " * 100_000 + jsonl()}))
        claimed = (100_000 + len(jsonl())).to_bytes(4, "little")
        while (at := content.find(claimed)) >= 0:
            content[at : at + 4] = (10).to_bytes(4, "little")
        assert "ZIP" in refusal(bytes(content))


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("content", "name", "said"),
        [
            (jsonl() + b"{", "x.jsonl", "Line 3: this is not valid JSON."),
            (jsonl() + b"\xff", "x.jsonl", "Line 3: the text is not UTF-8"),
            (as_csv() + b"one,two,three\r\n", "x.csv", "Row 4: there are 3 cells, but 2 columns."),
            (b"a,a\n1,2\n", "x.csv", "Row 1: two columns have the name “a”."),
            (as_csv() + b'"open', "x.csv", "Row 4: this is not valid CSV"),
            (gzip.compress(as_csv())[:-9], "x.csv.gz", "damaged"),
            (as_parquet()[:-20], "x.parquet", "The file: it can't be read as Parquet"),
            (as_arrow()[:40], "x.arrow", "The file: it can't be read as Arrow"),
            (zipped({"a.jsonl": jsonl()})[:-30], "x.zip", "The file: it can't be read as ZIP"),
            (zipped({"a.jsonl": b"{"}), "x.zip", "a.jsonl: Line 1: this is not valid JSON."),
            (zipped({"a.txt": b"hm"}), "x.zip", "no JSONL, CSV, Parquet or Arrow file is in it."),
        ],
    )
    def test_is_said_with_its_place(self, content, name, said):
        assert said in refusal(content, name)


class _Endless(io.RawIOBase):
    """A CSV file of a gigabyte that is never all there."""

    SIZE = 1 << 30
    LINE = b"Why is the sky blue today of all days?,facts\n"

    def __init__(self):
        self.at = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self.at = offset
        return self.at

    def readinto(self, buffer):
        repeated = self.LINE * (len(buffer) // len(self.LINE) + 2)
        start = self.at % len(self.LINE)
        part = repeated[start : start + len(buffer)]
        buffer[: len(part)] = part
        self.at += len(part)
        return len(part)


def test_a_large_file_is_never_all_in_memory():
    """The first 20,000 rows of a gigabyte: read ahead, it would take as much."""
    tracemalloc.start()
    try:
        rows = read_rows(io.BufferedReader(_Endless()), "large.csv")
        for _ in range(20_000):
            next(rows)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_the_wanted_columns_of_parquet_alone_are_read():
    content = as_parquet([{"prompt": "Hm?", "category": "a", "vector": [1.0] * 1000}])
    assert read(content, fields=("prompt", "category", "responses")) == [
        {"prompt": "Hm?", "category": "a"}
    ]
