"""What a page shows of a training run while it goes: curves, samples, the end of the log."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from labeling.charts.lines import Chart, Series, line_chart
from rewardmodel.runs import TrainingRun

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LOG_TAIL = 8_000  # bytes
LONGEST_SAMPLES = 2_000_000  # bytes of samples.jsonl that are read


@dataclass(frozen=True)
class Curve:
    """A chart of a run: title, unit, and the metrics it draws under their readable names."""

    title: "StrOrPromise"
    unit: "StrOrPromise"
    metrics: "dict[str, StrOrPromise]"


def watched(run: TrainingRun, plan: Iterable[Curve]) -> dict[str, Any]:
    """What run.html shows of a run of any kind."""
    return {
        "run": run,
        "charts": curves(run, plan),
        "log": log_tail(run),
        "settings": list(run.config.items()),
    }


def curves(run: TrainingRun, plan: Iterable[Curve]) -> list[Chart]:
    """The charts for which the run has measured something."""
    rows = list(run.metrics.values_list("step", "values"))
    charts = [
        line_chart(
            key=f"curve-{number}",
            title=str(curve.title),
            unit=str(curve.unit),
            series=[
                Series(
                    str(words),
                    # null where a step had nothing to measure, or what it measured was no number
                    [(s, values[name]) for s, values in rows if values.get(name) is not None],
                )
                for name, words in curve.metrics.items()
            ],
        )
        for number, curve in enumerate(plan)
    ]
    return [chart for chart in charts if chart is not None]


def log_tail(run: TrainingRun) -> str:
    """The last lines the program wrote; empty where the log is on another machine or not begun."""
    try:
        with (run.directory / "log.txt").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return text.partition("\n")[2] if size > LOG_TAIL else text


def samples(run: TrainingRun) -> list[tuple[int, list[tuple[int, str]]]]:
    """Answers to the same few prompts at several steps: (prompt, [(step, text)])."""
    rows: list[dict[str, Any]] = []
    try:
        with (run.directory / "samples.jsonl").open(encoding="utf-8", errors="replace") as file:
            lines = file.read(LONGEST_SAMPLES).splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:  # a line that is being written
            break
    newest = {(row["prompt_id"], row["step"]): row["text"] for row in rows}  # a resumed run repeats
    ordered = sorted((prompt, step, text) for (prompt, step), text in newest.items())
    return [
        (prompt, [(step, text) for _, step, text in some])
        for prompt, some in groupby(ordered, key=itemgetter(0))
    ]
