"""What labelers send: answers, skips, and what a labeling page asks of the server."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from labeling.models import Assignment, Campaign, Judgment, Skip
from labeling.services.assignments import MOST_HELD
from labeling.services.judgments import LONGEST_RATIONALE, Answer

# How much better, from the weakest step to the strongest, for each length of scale.
STRENGTHS = {
    1: [_("better")],
    2: [_("slightly better"), _("much better")],
    3: [_("slightly better"), _("better"), _("much better")],
    4: [_("barely better"), _("slightly better"), _("better"), _("much better")],
}


EQUALS = [
    (Judgment.Equal.TIE, "T"),
    (Judgment.Equal.BOTH_GOOD, "G"),
    (Judgment.Equal.BOTH_BAD, "B"),
]


@dataclass(frozen=True)
class Choice:
    """One answer on the screen: what is sent, what is read, which key selects it."""

    value: str
    words: str
    key: str
    checked: bool
    asks: bool  # whether it needs a reason


class AnswerForm(forms.Form):
    """What goes with every answer, whatever it is about."""

    rationale = forms.CharField(
        required=False,
        max_length=LONGEST_RATIONALE,
        widget=forms.Textarea(attrs={"rows": 2}),
        label=_("Why?"),
    )
    flags = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label=_("Flags")
    )
    seconds = forms.FloatField(required=False, min_value=0, widget=forms.HiddenInput)
    client_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    guidelines = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "answer-%s")
        super().__init__(*args, **kwargs)
        self.campaign = campaign
        self.fields["guidelines"].initial = lambda: campaign.guidelines_number
        self.fields["flags"].choices = [(flag, flag) for flag in campaign.flags]  # type: ignore[attr-defined]

    def skip(self) -> "SkipForm":
        """The way out that stands beside the answer."""
        return SkipForm()

    def has_details(self) -> bool:
        """Whether the optional part has something in it, so that it is shown open."""
        return any(
            self[name].value() for name in self.fields if name.startswith(("rationale", "flags"))
        )

    def as_sent(self) -> list[tuple[str, str]]:
        """Names and values of what was sent, to send it once more."""
        data = self.data
        assert isinstance(data, QueryDict)
        return [(name, value) for name in self.fields for value in data.getlist(name)]

    def in_words(self) -> str:
        """What was chosen, for a page that gives an answer back."""
        raise NotImplementedError

    def judgment(self, assignment: Assignment) -> Answer:
        """The answer, whatever way round its responses were shown."""
        raise NotImplementedError

    def to_record(self, assignment: Assignment) -> dict[str, Any]:
        """What the services that store an answer want to know of it."""
        sent = ("client_key", "seconds", "guidelines")
        return {
            "answer": self.judgment(assignment),
            **{name: self.cleaned_data[name] for name in sent},
        }

    def clean_rationale(self) -> str:
        return self.cleaned_data["rationale"].replace("\r\n", "\n")


class JudgmentForm(AnswerForm):
    """One answer as the screen knows it: negative numbers are on the left, never "first"."""

    answer = forms.CharField(error_messages={"required": _("Choose an answer first.")})

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(*args, campaign=campaign, **kwargs)
        for number, aspect in enumerate(campaign.aspects):
            self.fields[f"aspect-{number}"] = forms.TypedChoiceField(
                label=aspect,
                required=False,
                coerce=int,
                empty_value=None,
                choices=[(value, words) for value, words in self._aspect_choices()],
                widget=forms.RadioSelect,
            )

    @classmethod
    def filled(cls, judgment: Judgment) -> "JudgmentForm":
        """The form with an answer in it, on the sides on which its pair was shown."""
        assert judgment.assignment is not None
        campaign = judgment.comparison.campaign
        sign = 1 if judgment.assignment.first_on_left else -1
        initial: dict[str, Any] = {
            "answer": judgment.equal or str(sign * judgment.preference),
            "rationale": judgment.rationale,
            "flags": judgment.flags,
        }
        for number, aspect in enumerate(campaign.aspects):
            if aspect in judgment.aspects:
                initial[f"aspect-{number}"] = sign * judgment.aspects[aspect]
        return cls(initial=initial, campaign=campaign)

    def _aspect_choices(self) -> Iterator[tuple[int, Any]]:
        """For one aspect the direction is enough: left, the same, right."""
        yield -1, _("Left")
        yield 0, _("Same")
        yield 1, _("Right")

    def _choice(self, value: str, words: Any, key: str) -> Choice:
        asks = value not in Judgment.Equal.values and self.campaign.asks_reason(int(value))
        return Choice(value, str(words), key, self["answer"].value() == value, asks)

    def left(self) -> list[Choice]:
        """Strongest first, as it stands on the screen."""
        words = STRENGTHS[self.campaign.strength]
        return [
            self._choice(str(-level), words[level - 1], str(len(words) - level + 1))
            for level in range(len(words), 0, -1)
        ]

    def right(self) -> list[Choice]:
        words = STRENGTHS[self.campaign.strength]
        return [
            self._choice(str(level), words[level - 1], str(len(words) + level))
            for level in range(1, len(words) + 1)
        ]

    def equal(self) -> list[Choice]:
        offered = {
            Judgment.Equal.TIE: self.campaign.allow_tie,
            Judgment.Equal.BOTH_GOOD: self.campaign.allow_both_good,
            Judgment.Equal.BOTH_BAD: self.campaign.allow_both_bad,
        }
        return [self._choice(value, value.label, key) for value, key in EQUALS if offered[value]]

    def aspects(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("aspect-")]

    def in_words(self) -> str:
        for side, choices in ((_("Left is"), self.left()), (_("Right is"), self.right())):
            for choice in choices:
                if choice.checked:
                    return f"{side} {choice.words}"
        return next((choice.words for choice in self.equal() if choice.checked), "")

    def clean_answer(self) -> str:
        answer = self.cleaned_data["answer"]
        if answer in Judgment.Equal.values:
            return answer
        try:
            towards_right = int(answer)
        except ValueError:
            raise forms.ValidationError(_("That answer is not on the scale.")) from None
        if not -9 <= towards_right <= 9:
            raise forms.ValidationError(_("That answer is not on the scale."))
        return str(towards_right)

    def judgment(self, assignment: Assignment) -> Answer:
        sign = 1 if assignment.first_on_left else -1
        answer = self.cleaned_data["answer"]
        equal = answer if answer in Judgment.Equal.values else ""
        chosen = {
            self.fields[name].label: sign * self.cleaned_data[name]
            for name in self.fields
            if name.startswith("aspect-") and self.cleaned_data[name] is not None
        }
        return Answer.from_sides(
            towards_right=0 if equal else int(answer),
            first_on_left=assignment.first_on_left,
            equal=equal,
            aspects=chosen,
            rationale=self.cleaned_data["rationale"],
            flags=self.cleaned_data["flags"],
        )


class SkipForm(forms.Form):
    """Why a labeler passes a pair on. Its fields stand within the answer's form on the page."""

    reason = forms.ChoiceField(
        label=_("Reason to skip"),
        choices=Skip.Reason.choices,
        widget=forms.Select(attrs={"form": "skip"}),
    )
    note = forms.CharField(
        required=False,
        max_length=Skip._meta.get_field("note").max_length,
        label=_("Note, if it helps"),
        widget=forms.TextInput(attrs={"form": "skip"}),
    )
    # Not "client_key", which is the answer's: both stand on one page.
    skip_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "skip-%s")
        super().__init__(*args, **kwargs)

    def to_record(self) -> dict[str, Any]:
        """What the services that store a skip want to know of it."""
        sent = self.cleaned_data
        return {"reason": sent["reason"], "note": sent["note"], "client_key": sent["skip_key"]}


class NumbersField(forms.CharField):
    """Row numbers, separated by spaces."""

    def to_python(self, value: Any) -> Any:
        words = (super().to_python(value) or "").split()
        if not all(word.isdecimal() and len(word) < 19 for word in words):
            raise forms.ValidationError(_("These are not row numbers."))
        return [int(word) for word in words]


class AheadForm(forms.Form):
    """What a labeling page has already, and how many pairs it would like to hold."""

    have = NumbersField(required=False)
    want = forms.IntegerField(min_value=1, max_value=MOST_HELD)


class ReleaseForm(forms.Form):
    """Pairs a labeling page leaves unused, and when it believes their leases to end."""

    unused = NumbersField()
    until = forms.CharField()

    def clean_until(self) -> datetime:
        try:
            until = datetime.fromisoformat(self.cleaned_data["until"])
        except ValueError:
            until = None
        if until is None or until.tzinfo is None:
            raise forms.ValidationError(_("This is not a moment with a time zone."))
        return until


class RetractForm(forms.Form):
    retract_key = forms.UUIDField()


class OptOutForm(forms.Form):
    categories = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label=_("I would rather not see")
    )

    def __init__(self, *args: Any, offered: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["categories"].choices = [(word, word) for word in offered]  # type: ignore[attr-defined]
