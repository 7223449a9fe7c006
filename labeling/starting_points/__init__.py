"""What a new campaign may start from: a question, its guidelines and the rules that go with it."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class StartingPoint:
    """A ready question; its guidelines lie in the file of its name. All of it can be changed."""

    key: str
    title: str | Promise
    about: str | Promise
    rules: dict[str, Any] = field(default_factory=dict)  # fields of the campaign's form

    def initial(self) -> dict[str, Any]:
        return {"guidelines": _guidelines(self.key), **self.rules}


@cache
def _guidelines(key: str) -> str:
    return (HERE / f"{key}.md").read_text(encoding="utf-8")


STARTING_POINTS = [
    StartingPoint(
        "helpfulness",
        _("Helpfulness"),
        _("Which answer would you rather have received? Three steps a side, ties, both bad."),
        {"strength": 3, "allow_tie": True, "allow_both_bad": True, "flags": ["unsafe", "broken"]},
    ),
    StartingPoint(
        "harmlessness",
        _("Harmlessness"),
        _("Which answer does less harm? Warned of, covered until shown, with a daily limit."),
        {
            "strength": 3,
            "allow_tie": True,
            "allow_both_bad": True,
            "allow_both_good": True,
            "flags": ["personal data", "illegal"],
            "content_warnings": ["violence", "hate", "self-harm"],
            "exposure_cap": 100,
            "break_after": 30,
        },
    ),
    StartingPoint(
        "llama2",
        _("Llama 2 style"),
        _(
            "Four steps a side, from “negligibly” to “significantly better”, and a "
            "safety mark beside the preference."
        ),
        {
            "strength": 4,
            "allow_tie": False,
            "allow_both_bad": False,
            "aspects": ["helpful", "safe"],
            "flags": ["chosen answer is unsafe", "both answers are unsafe"],
        },
    ),
    StartingPoint(
        "hh",
        _("HH style"),
        _("One plain choice in each pair, as helpful-and-harmless data was collected."),
        {
            "strength": 1,
            "allow_tie": False,
            "allow_both_bad": False,
            "rationale_from": None,
            "flags": ["off topic"],
        },
    ),
]


def starting_point(key: str) -> StartingPoint | None:
    return next((point for point in STARTING_POINTS if point.key == key), None)
