from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from labeling.sampling import Draw, even_quotas, proportional_quotas
from labeling.statistics.rounding import largest_remainders

categories = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 200), min_size=1)


@given(categories, st.integers(1, 400))
def test_a_sample_is_as_large_as_wanted_and_as_there_are_rows(counts, size):
    for spread in (even_quotas, proportional_quotas):
        quotas = spread(counts, size)
        assert sum(quotas.values()) == min(size, sum(counts.values()))
        assert all(0 <= quotas[name] <= counts[name] for name in counts)


@given(categories, st.integers(1, 400))
def test_an_even_sample_differs_by_one_where_there_are_rows_enough(counts, size):
    quotas = even_quotas(counts, size)
    most = max(quotas.values())
    assert all(most - quotas[name] <= 1 or quotas[name] == counts[name] for name in counts)


@given(categories, st.integers(1, 400))
def test_a_proportional_sample_is_within_one_of_the_share(counts, size):
    size = min(size, sum(counts.values()))
    quotas = proportional_quotas(counts, size)
    for name, count in counts.items():
        assert abs(quotas[name] - size * count / sum(counts.values())) < 1


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 50), min_size=1))
def test_rounded_shares_add_up(amounts):
    whole = largest_remainders(amounts)
    assert sum(whole.values()) == round(sum(amounts.values()))
    assert all(abs(whole[name] - amounts[name]) < 1 for name in amounts)


@given(categories, st.integers(1, 400), st.integers(0, 99))
def test_a_draw_picks_exactly_the_quotas_whatever_the_order(counts, size, seed):
    rows = [name for name, count in sorted(counts.items()) for _ in range(count)]
    quotas = even_quotas(counts, size)
    draw = Draw(counts, quotas, seed)
    taken = Counter(name for name in rows if draw.takes(name))
    assert taken == Counter(quotas)


def test_each_row_is_drawn_as_often_as_any_other():
    hits = Counter()
    for seed in range(4000):
        draw = Draw({"a": 5}, {"a": 2}, seed)
        hits.update(n for n in range(5) if draw.takes("a"))
    # 1,600 each; five standard deviations are 155
    assert all(abs(count - 1600) < 155 for count in hits.values())
