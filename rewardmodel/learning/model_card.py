"""A model card: what a reward model is for, what it was trained on, and how far it can be trusted.

Source of the headings: Mitchell et al. 2019 (arXiv:1810.03993).
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from rewardmodel.learning.artifact import Card
from rewardmodel.learning.settings import RewardTraining

SLICES = {
    "category": "Category",
    "agreement": "How far people agreed",
    "length": "The chosen response is",
    "aspect": "In the aspect",
}


def model_card(
    found: dict[str, Any], config: RewardTraining, card: Card, about: dict[str, str]
) -> str:
    """Markdown for people who meet the model without its page.

    Args:
        found: everything in result.json.
        config: how it was trained.
        card: what is needed to read its scores.
        about: where the pairs come from, as far as the caller knows.
    """
    parts = [
        "# Reward model",
        "Reads a conversation and a response and gives a number: how much the people who judged "
        "would like it. 0 is the average held-out response, 1 a standard deviation above it.",
        "## Data",
        _table(
            ["Of", "Value"],
            [(name.replace("_", " "), f"`{_safe(v)}`") for name, v in about.items()],
        ),
        f"{found['train_pairs']} pairs to learn from, {found['test_pairs']} held out, by prompt. "
        f"{found['undecided_pairs']} pairs were undecided"
        + (" and learned from." if "tie_share" in found else " and left out."),
        "## On held-out pairs",
        _table(["Figure", "Value"], _quality(found)),
        *_sliced(found["report"]["slices"]),
        *_on_suites(found.get("suites", [])),
        *_worth(found["report"].get("learning_curve", {})),
        "## Training",
        _table(["Setting", "Value"], _changed(config)),
        "## Use and limits",
        _combination(card)
        + f"- Scores mean something for conversations like those judged, in the same language, of "
        f"at most {card.max_length} tokens.\n"
        f"- A lead of d (in standard deviations) is a preference with log-odds "
        f"{card.std / card.temperature:.3g} d.\n"
        f"- Rank correlation of score and length among answers to one prompt: "
        f"{found['length_correlation']:.2f}. A policy trained on the score exploits what it "
        "rewards by mistake: watch samples, and let people compare.\n"
        "- It says what these people preferred, not what is true or harmless.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _combination(card: Card) -> str:
    """How the score is put together where aspects have heads of their own."""
    if not card.aspects:
        return ""
    total = sum(card.aspects.values())
    parts = [f"{weight / total:.1%} {_safe(name)}" for name, weight in card.aspects.items()]
    return f"- The score is a weighted mean of one head for each aspect: {', '.join(parts)}.\n"


def _quality(found: dict[str, Any]) -> list[tuple[str, str]]:
    def interval(name: str) -> str:
        low, high = found[f"{name}_low"], found[f"{name}_high"]
        return f"{found[name]:.1%} (95 % interval {low:.1%} to {high:.1%})"

    rows = [("accuracy", interval("accuracy"))]
    rows += [
        (f"baseline: {words}", f"{found[name]:.1%}")
        for name, words in (
            ("length_baseline", "the longer one wins"),
            ("majority_baseline", "the policy that wins more often"),
            ("words_baseline", "words alone"),
        )
    ]
    if "labeler_agreement" in found:
        rows += [
            ("two labelers agree", interval("labeler_agreement")),
            ("model and a labeler agree, on the same pairs", f"{found['model_agreement']:.1%}"),
        ]
    rows += [
        ("calibration error", f"{found['calibration_error']:.3f}"),
        ("calibration error, scaled", f"{found['calibration_error_scaled']:.3f}"),
    ]
    if "tie_share" in found:
        ties = f"{found['tie_share']:.1%}, expected {found['tie_share_expected']:.1%}"
        rows.append(("ties", ties))
    return rows


def _sliced(slices: dict[str, list[dict[str, Any]]]) -> Iterable[str]:
    for key, title in SLICES.items():
        rows = [
            (
                _safe(row["name"]) or "none",
                str(row["pairs"]),
                f"{row['accuracy']:.1%}",
                f"{row['low']:.1%} to {row['high']:.1%}",
            )
            for row in slices.get(key, [])
        ]
        yield _table([title, "Pairs", "Accuracy", "95 % interval"], rows)


def _on_suites(suites: Sequence[dict[str, Any]]) -> Iterable[str]:
    """Each imported suite in a line; its subsets are on the model's page."""
    rows = [
        (
            _safe(suite["name"]),
            str(suite["pairs"]),
            f"{suite['accuracy']:.1%}",
            f"{suite['low']:.1%} to {suite['high']:.1%}",
        )
        for suite in suites
    ]
    yield _table(["Test suite", "Pairs", "Accuracy", "95 % interval"], rows)


def _worth(curve: dict[str, Any]) -> Iterable[str]:
    if "doubling" in curve:
        yield (
            f"Each doubling of the labels added {curve['doubling']:+.1%} "
            f"(± {curve['doubling_se']:.1%}) to the accuracy."
        )


def _changed(config: RewardTraining) -> list[tuple[str, str]]:
    """Settings as they were used; those the trainable part makes no use of are left out."""
    unused = {"top_layers": "top", "lora_rank": "lora", "ridge": "head"}
    return [
        (f"`{field.name}`", f"`{asdict(config)[field.name]}`")
        for field in fields(config)
        if unused.get(field.name, config.trainable) == config.trainable
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _safe(text: object) -> str:
    """Text that cannot end a cell, a line or a code span of the table."""
    return " ".join(str(text).replace("|", "/").replace("`", "'").split())
