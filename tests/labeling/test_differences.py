import pytest

from labeling.reading.differences import LONGEST, differences, words_of
from labeling.reading.rendering import render_markdown


def test_words_are_those_a_reader_sees():
    html = render_markdown("**bold**ly &amp; `a < b`\n\n- one\n- two\n\n```\nx = 1\n```")
    assert words_of(html) == ["boldly", "&", "a", "<", "b", "one", "two", "x", "=", "1"]


def test_runs_name_the_words_that_the_other_side_lacks():
    one, other = differences("<p>the quick brown fox</p>", "<p>the slow fox jumps</p>")
    assert (one.words, one.runs) == (4, "1-3")
    assert (other.words, other.runs) == (4, "1-2 3-4")


def test_the_same_words_differ_nowhere():
    one, other = differences("<p>the same</p>", "<p>the <em>same</em></p>")
    assert (one.runs, other.runs) == ("", "")


@pytest.mark.parametrize("text", ["word " * (LONGEST + 1), "x\n" * (LONGEST + 1)])
def test_texts_too_long_to_compare_are_not_compared(text):
    assert differences(text, "short") is None
