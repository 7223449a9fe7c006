import gzip
import io
import json

import pytest

from labeling.files.preferences import BadLine, read_preferences

CONVERSATIONAL = {
    "prompt": [{"role": "user", "content": "Why is the sky blue?"}],
    "chosen": "Air scatters blue light most.",
    "rejected": "It just is.",
}
HH = {
    "chosen": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant: Because.",
    "rejected": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant: No.",
}


def read(*rows, raw=None):
    data = raw if raw is not None else "".join(json.dumps(r) + "\n" for r in rows).encode()
    return list(read_preferences(io.BytesIO(data)))


def test_a_conversational_row_is_read():
    [row] = read(CONVERSATIONAL)
    assert (row.chosen, row.rejected) == ("Air scatters blue light most.", "It just is.")


def test_an_exported_row_with_messages_as_answers_is_read():
    answer = [{"role": "assistant", "content": "Yes."}]
    [row] = read({**CONVERSATIONAL, "chosen": answer, "margin": 0.5})
    assert (row.chosen, row.margin) == ("Yes.", 0.5)


def test_an_hh_dialogue_is_split_at_its_last_answer():
    [row] = read(HH)
    assert [m["content"] for m in row.prompt] == ["Hi", "Hello", "Why?"]
    assert (row.chosen, row.rejected) == ("Because.", "No.")


def test_a_character_that_json_writes_in_two_halves_is_one():
    [row] = read(raw=b'{"prompt": "p", "chosen": "x \\ud83d\\udc4d", "rejected": "\\\\ud83d"}')
    assert (row.chosen, row.rejected) == ("x \N{THUMBS UP SIGN}", "\\ud83d")


def test_a_pair_that_differs_before_the_last_answer_is_not_comparable():
    assert read({**HH, "rejected": HH["rejected"].replace("Hello", "What?")}) == [None]


def test_a_gzip_file_is_read_like_a_plain_one():
    plain = json.dumps(CONVERSATIONAL).encode()
    assert read(raw=gzip.compress(plain)) == read(raw=plain)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"{", "Line 1: this is not valid JSON."),
        (b"[]", "Line 1: each line must be a JSON object."),
        (b'{"chosen": "x"}', 'Line 1: the field "rejected" is missing.'),
        (b'\n\n{"chosen": "x"}', 'Line 3: the field "rejected" is missing.'),
        ('{"chosen": "ü"}'.encode("latin-1"), "not UTF-8"),
        (b'"' + b"x" * 16_000_001, "longer than 16,000,000 bytes"),
        (b'{"chosen": "x", "rejected": "y"}', "must be dialogues"),
        (b'{"prompt": [], "chosen": "x", "rejected": "y"}', "the prompt is empty"),
        (b'{"prompt": "p", "chosen": 3, "rejected": "y"}', "must be a text"),
        (b'{"prompt": "p", "chosen": "x", "rejected": "y", "margin": 7}', "from 0 to 1"),
        (b'{"prompt": "p", "chosen": "x\\u0000", "rejected": "y"}', "NUL"),
        (
            b'{"prompt": "p", "chosen": "x", "rejected": "y", "category": "c\\u0000"}',
            '"category" holds a NUL',
        ),
        (b'{"prompt": "p", "chosen": "x\\ud83d", "rejected": "y"}', "half a character"),
        (b'{"prompt": [{"role": "user", "content": "\\udc4d?"}]}', "half a character"),
        (b"\x1f\x8b not gzip at all", "damaged"),
    ],
)
def test_a_bad_line_is_named_with_its_number(raw, sentence):
    with pytest.raises(BadLine, match="Line") as refusal:
        read(raw=raw)
    assert sentence in str(refusal.value)
