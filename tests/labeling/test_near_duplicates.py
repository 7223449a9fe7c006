import random
import string

from hypothesis import given
from hypothesis import strategies as st

from labeling.near_duplicates import Near, groups, near_duplicates, pieces, similarity

texts = st.text(alphabet=string.ascii_letters + " .,", max_size=60)


@given(texts, texts)
def test_similarity_is_symmetric_and_whole_for_the_same_text(one, other):
    a, b = pieces(one), pieces(other)
    assert similarity(a, b) == similarity(b, a)
    assert 0 <= similarity(a, b) <= 1
    assert similarity(a, a) == 1


def test_case_punctuation_and_white_space_make_no_difference():
    assert pieces("Why is the sky  BLUE?") == pieces("why, is the sky blue")


def test_similarity_is_the_share_of_pieces_in_common():
    # abcde bcdef cdefg / abcde bcdef cdefh: two of four
    assert similarity(pieces("abcdefg"), pieces("abcdefh")) == 0.5


def words(chance, count):
    return ["".join(chance.choices(string.ascii_lowercase, k=6)) for _ in range(count)]


def test_planted_near_duplicates_are_found_and_nothing_else_is():
    chance = random.Random(5)
    originals = [words(chance, 40) for _ in range(150)]
    planted = [[*text[:-2], *words(chance, 2)] for text in originals[:60]]  # 38 of 40 words
    all_texts = [" ".join(text) for text in [*originals, *planted]]
    found = list(near_duplicates(enumerate(all_texts)))
    expected = {
        (n, 150 + n)
        for n in range(60)
        if similarity(pieces(all_texts[n]), pieces(all_texts[150 + n])) >= 0.8
    }
    assert len(expected) == 60
    assert {(pair.one, pair.other) for pair in found} == expected
    for pair in found:
        exact = similarity(pieces(all_texts[pair.one]), pieces(all_texts[pair.other]))
        assert pair.similarity == exact


def test_texts_below_the_line_are_not_named():
    assert not list(near_duplicates([(1, "abcdefg"), (2, "abcdefh")]))
    assert list(near_duplicates([(1, "abcdefg"), (2, "abcdefh"), (3, "ABCDEFG!")])) == [
        Near(1, 3, 1.0)
    ]


def test_empty_and_short_texts_are_texts_too():
    assert list(near_duplicates([(1, ""), (2, "?"), (3, "Hm")])) == [Near(1, 2, 1.0)]


def test_groups_hang_together_by_chains_the_largest_first():
    pairs = [Near(8, 9, 0.9), Near(1, 2, 0.9), Near(2, 3, 0.8)]
    assert groups(pairs) == [[1, 2, 3], [8, 9]]
    assert groups([]) == []
