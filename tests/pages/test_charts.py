from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.charts.lines import LARGEST, Series, figure, line_chart, nice_ticks, thinned
from labeling.reading.rendering import render_markdown
from rewardmodel.charts import CURVES
from rewardmodel.watching import curves
from tests.pages.scene import set_scene

NUMBERS = st.floats(-1e12, 1e12, allow_nan=False)


@given(NUMBERS, NUMBERS)
def test_ticks_span_the_range_and_are_few(one, other):
    low, high = min(one, other), max(one, other)
    ticks = nice_ticks(low, high)
    margin = 1e-6 * max(abs(low), abs(high))
    assert ticks[0] <= low + margin
    assert ticks[-1] >= high - margin
    assert 2 <= len(ticks) <= 8


@given(st.lists(st.floats(), max_size=400))
def test_any_numbers_make_a_chart_inside_its_frame(values):
    chart = line_chart("c", "Loss", [Series("loss", list(enumerate(map(float, values))))])
    if chart is None:
        assert not any(abs(value) < LARGEST for value in values)
        return
    x, y = chart.lines[0].end
    assert chart.left - 1 <= x <= chart.right + 1
    assert chart.top - 1 <= y <= chart.bottom + 1


def test_a_step_without_a_measurement_leaves_a_gap_in_its_curve(db):
    scene = set_scene()
    scene.reward_model.metrics.update(values={"loss": None, "accuracy": None})
    scene.reward_model.metrics.filter(step=3).update(values={"loss": 0.5, "accuracy": None})
    [chart] = curves(scene.reward_model, CURVES)
    assert chart.rows == [["3", "0.5"]]


def test_thinning_keeps_the_ends():
    points = [(float(n), 0.0) for n in range(1000)]
    kept = thinned(points, 50)
    assert len(kept) == 50
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.7134, "0.713"), (1530.2, "1,530"), (3.2e-05, "3.2e-05"), (-2.0, "-2")],
)
def test_figures_are_short(value, text):
    assert figure(value) == text


@given(st.text())
def test_no_text_becomes_an_active_element(text):
    html = render_markdown(text)
    for active in ("<script", "<img", "<a ", "<style", "<iframe", "<svg", " on", " style="):
        if active.startswith("<"):
            assert active not in html


@pytest.mark.parametrize("text", ["2 < 3 & 4", "`<b>`", "```\n<i>\n```"])
def test_what_was_written_can_still_be_read(text):
    assert text.strip("`\n") in unescape(render_markdown(text))


def test_amounts_are_drawn_from_zero():
    series = [Series("answers", [(0, 5), (1, 7)])]
    assert line_chart("c", "Answers", series, from_zero=True).y_ticks[0].label == "0"
    assert line_chart("c", "Answers", series).y_ticks[0].label == "5"
