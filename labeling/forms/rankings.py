"""An order of several responses, as a labeler sends it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.forms.judgments import AnswerForm, JudgmentForm
from labeling.models import Assignment, Judgment, Response
from labeling.services.judgments import Answer, ranks_of

LETTERS = "ABCDEFGHI"  # what responses are called on the screen, from the top down at first


def letters_by_place(places: Sequence[Any]) -> str:
    """From best to worst, by where the responses stand on the screen: B > A = C.

    Places are numbers or what was sent in their stead; empty ones are left out.
    """
    by_place: dict[str, list[str]] = {}
    for letter, place in zip(LETTERS, places, strict=False):
        if place:
            by_place.setdefault(str(place), []).append(letter)
    return " > ".join(" = ".join(letters) for _, letters in sorted(by_place.items()))


def order_in_words(ranks: Sequence[int], shown_order: Sequence[int]) -> str:
    """An order of a group's candidates in the letters of a screen that shows them so."""
    return letters_by_place([ranks[place] for place in shown_order])


@dataclass(frozen=True)
class Card:
    """One response on the screen, with the place it is given."""

    letter: str
    response: Response
    field: forms.BoundField


class RankingForm(AnswerForm):
    """An order as the screen knows it: fields go by where a response stands at first, never by
    who wrote it or where it is stored."""

    def __init__(self, *args: Any, assignment: Assignment, **kwargs: Any) -> None:
        super().__init__(*args, campaign=assignment.comparison.campaign, **kwargs)
        self.assignment = assignment
        places = range(1, len(assignment.shown_order or ()) + 1)
        for position in range(len(places)):
            self.fields[f"place-{position}"] = forms.TypedChoiceField(
                label=LETTERS[position],
                required=False,  # one sentence for all of them: see clean
                coerce=int,
                empty_value=None,
                choices=[("", "–"), *((place, str(place)) for place in places)],
                widget=forms.Select(attrs={"required": True}),
            )

    @classmethod
    def filled(cls, judgment: Judgment) -> "RankingForm":
        """The form with an order in it, as its responses were shown."""
        assignment = judgment.assignment
        assert assignment is not None
        assert assignment.shown_order is not None
        ranks = ranks_of(judgment)
        initial: dict[str, Any] = {
            f"place-{position}": ranks[place]
            for position, place in enumerate(assignment.shown_order)
        }
        initial |= {"rationale": judgment.rationale, "flags": judgment.flags}
        return cls(initial=initial, assignment=assignment)

    def cards(self) -> Iterator[Card]:
        for position, response in enumerate(self.assignment.shown):
            yield Card(LETTERS[position], response, self[f"place-{position}"])

    def in_words(self) -> str:
        order = self.assignment.shown_order or ()
        return letters_by_place([self[f"place-{at}"].value() for at in range(len(order))])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        places = [cleaned.get(name) for name in self.fields if name.startswith("place-")]
        if None in places:
            raise forms.ValidationError(_("Give each of the responses a place."))
        return cleaned

    def judgment(self, assignment: Assignment) -> Answer:
        order = assignment.shown_order or []
        ranks = [0] * len(order)
        for position, place in enumerate(order):
            ranks[place] = self.cleaned_data[f"place-{position}"]
        return Answer.from_ranks(
            ranks, rationale=self.cleaned_data["rationale"], flags=self.cleaned_data["flags"]
        )


def answer_form(assignment: Assignment, data: Any = None) -> AnswerForm:
    """The form of what a slot asks for: an order of a group, or a judgment of a pair."""
    if assignment.shown_order is not None:
        return RankingForm(data, assignment=assignment)
    return JudgmentForm(data, campaign=assignment.comparison.campaign)


def filled_form(judgment: Judgment) -> AnswerForm:
    """The form with an answer in it, as its responses were shown."""
    assert judgment.assignment is not None
    if judgment.assignment.shown_order is not None:
        return RankingForm.filled(judgment)
    return JudgmentForm.filled(judgment)
