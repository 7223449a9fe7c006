"""What people send from the pages, checked and put into the words of the services."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _

from labeling.models import (
    Assignment,
    Campaign,
    CampaignPolicy,
    Judgment,
    Policy,
    Prompt,
    Skip,
    User,
)
from labeling.services.assignments import MOST_HELD
from labeling.services.campaigns import set_labelers
from labeling.services.judgments import LONGEST_RATIONALE, Answer
from labeling.services.prompts import LONGEST_MESSAGE, store_prompts

# How much better, from the weakest step to the strongest, for each length of scale.
STRENGTHS = {
    1: [_("better")],
    2: [_("slightly better"), _("much better")],
    3: [_("slightly better"), _("better"), _("much better")],
    4: [_("barely better"), _("slightly better"), _("better"), _("much better")],
}
EQUALS = [
    (Judgment.Equal.TIE, _("Tie"), "T"),
    (Judgment.Equal.BOTH_GOOD, _("Both good"), "G"),
    (Judgment.Equal.BOTH_BAD, _("Both bad"), "B"),
]


@dataclass(frozen=True)
class Choice:
    """One answer on the screen: what is sent, what is read, which key selects it."""

    value: str
    words: str
    key: str
    checked: bool
    asks: bool  # whether it needs a reason


class JudgmentForm(forms.Form):
    """One answer as the screen knows it: negative numbers are on the left, never "first"."""

    answer = forms.CharField(error_messages={"required": _("Choose an answer first.")})
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

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "answer-%s")
        super().__init__(*args, **kwargs)
        self.campaign = campaign
        self.fields["flags"].choices = [(flag, flag) for flag in campaign.flags]  # type: ignore[attr-defined]
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
        return [self._choice(value, words, key) for value, words, key in EQUALS if offered[value]]

    def aspects(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("aspect-")]

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
        return [(name, value) for name in self.fields for value in self.data.getlist(name)]

    def in_words(self) -> str:
        """What was chosen, for a page that gives an answer back."""
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

    def clean_rationale(self) -> str:
        return self.cleaned_data["rationale"].replace("\r\n", "\n")

    def judgment(self, assignment: Assignment) -> Answer:
        """The answer about (first, second), whatever side they were shown on."""
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
        choices=[
            (Skip.Reason.CANT_JUDGE, _("I can't judge this")),
            (Skip.Reason.UNCLEAR, _("The prompt is unclear")),
            (Skip.Reason.WRONG_LANGUAGE, _("Wrong language")),
            (Skip.Reason.HARMFUL, _("Harmful to read")),
            (Skip.Reason.BROKEN, _("Broken or unreadable")),
            (Skip.Reason.OTHER, _("Another reason")),
        ],
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


class WordsField(forms.CharField):
    """A list of short words, separated by commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))

    def validate(self, value: Any) -> None:
        super().validate(value)
        if any(len(word) > 40 for word in value):
            raise forms.ValidationError(_("Each of them may have up to 40 characters."))


class PeopleField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        if obj.kind == User.Kind.SIMULATION:
            return f"{obj.username} ({_('simulated')})"
        return obj.get_full_name() or obj.username


class CampaignForm(forms.ModelForm):
    """A campaign's question, its rules and its people."""

    aspects = WordsField(
        required=False,
        label=_("Aspects"),
        help_text=_("Asked one by one beside the verdict, separated by commas: helpful, honest."),
    )
    flags = WordsField(
        required=False,
        label=_("Flags"),
        help_text=_("What a labeler may mark, separated by commas: unsafe, wrong language."),
    )
    content_warnings = WordsField(
        required=False,
        label=_("Harmful content"),
        help_text=_(
            "Separated by commas: violence, hate. Labelers are warned and can opt out; responses "
            "stay covered until they are uncovered. The categories of prompts count by the same "
            "words."
        ),
    )
    labelers = PeopleField(
        queryset=User.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Labelers"),
    )

    class Meta:
        model = Campaign
        fields = [
            *("name", "guidelines", "overlap", "lease_minutes", "strength", "rationale_from"),
            *("allow_tie", "allow_both_good", "allow_both_bad", "break_after"),
            *("content_warnings", "exposure_cap"),
            *("reward_model_after", "policy_margin", "approval_required"),
        ]
        widgets = {
            "guidelines": forms.Textarea(attrs={"rows": 10}),
            "strength": forms.Select(
                choices=[
                    (1, _("A or B")),
                    (2, _("2 steps a side")),
                    (3, _("3 steps a side")),
                    (4, _("4 steps a side")),
                ]
            ),
            "rationale_from": forms.Select(
                choices=[
                    ("", _("never")),
                    (1, _("for each preference")),
                    (2, _("from step 2 on")),
                    (3, _("from step 3 on")),
                    (4, _("from step 4 on")),
                ]
            ),
        }
        labels = {
            "overlap": _("Labelers per pair"),
            "lease_minutes": _("Minutes a pair stays reserved"),
            "strength": _("Scale"),
            "rationale_from": _("A reason is required"),
            "exposure_cap": _("Pairs with harmful content a day"),
            "break_after": _("Suggest a break after"),
            "allow_tie": _("Tie"),
            "allow_both_good": _("Both good"),
            "allow_both_bad": _("Both bad"),
            "reward_model_after": _("Train a reward model after"),
            "policy_margin": _("Start PPO at a margin of"),
            "approval_required": _("A person approves before a new policy is promoted"),
        }
        help_texts = {
            "guidelines": _("Markdown. Labelers can open it beside each pair."),
            "exposure_cap": _("for each labeler, over all campaigns; empty: no limit"),
            "break_after": _("minutes of attention; empty: never"),
            "overlap": "",
            "lease_minutes": "",
            "strength": "",
            "rationale_from": _("Step 1 is the weakest. A reason can be given in any case."),
            "reward_model_after": _("new comparisons; empty: by hand"),
            "policy_margin": _(
                "held-out accuracy over the best baseline, 0.05 is five points; empty: by hand"
            ),
            "approval_required": "",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.filter(is_active=True).order_by("kind", "username")
        self.fields["labelers"].queryset = people  # type: ignore[attr-defined]
        if self.instance.pk:
            self.initial["aspects"] = self.instance.aspects
            self.initial["flags"] = self.instance.flags
            self.initial["labelers"] = people.filter(
                memberships__campaign=self.instance, memberships__role="labeler"
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.instance.aspects = cleaned.get("aspects", [])
        self.instance.flags = cleaned.get("flags", [])
        return cleaned

    def save(self, commit: bool = True) -> Campaign:
        campaign = super().save(commit=commit)
        if commit:
            set_labelers(campaign=campaign, users=self.cleaned_data["labelers"])
        return campaign


class NewCampaignForm(CampaignForm):
    """A campaign with what it asks about: prompts, and the policies that answer them."""

    categories = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label=_("Prompts from the library")
    )
    new_prompts = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        label=_("New prompts"),
        help_text=_("One a line."),
    )
    policies = forms.ModelMultipleChoiceField(
        queryset=Policy.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Policies that answer"),
    )
    responses = forms.IntegerField(
        min_value=1, max_value=16, initial=2, label=_("Responses per prompt and policy")
    )
    temperature = forms.FloatField(min_value=0, max_value=2, initial=1.0, label=_("Temperature"))
    max_tokens = forms.IntegerField(
        min_value=1, max_value=4096, initial=128, label=_("Longest response, in tokens")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["policies"].queryset = generating_policies()  # type: ignore[attr-defined]
        self.fields["categories"].choices = [  # type: ignore[attr-defined]
            (
                category,
                f"{category} ({count})",
            )
            for category, count in library_categories()
        ]

    def clean_new_prompts(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["new_prompts"].splitlines()]
        if any(len(line) > LONGEST_MESSAGE for line in lines):
            raise forms.ValidationError(_("One of the prompts is too long."))
        return [line for line in lines if line]

    def prompts(self) -> list[Prompt]:
        library = Prompt.objects.filter(category__in=self.cleaned_data["categories"])
        added = store_prompts(
            ([{"role": "user", "content": line}], "") for line in self.cleaned_data["new_prompts"]
        )
        return [*library, *added]

    def entrants(self) -> list[CampaignPolicy]:
        return [
            CampaignPolicy(
                policy=policy,
                responses=self.cleaned_data["responses"],
                temperature=self.cleaned_data["temperature"],
                max_tokens=self.cleaned_data["max_tokens"],
            )
            for policy in self.cleaned_data["policies"]
        ]


def generating_policies() -> QuerySet[Policy]:
    """Policies that can be asked: those with a checkpoint."""
    return Policy.objects.exclude(checkpoint="").order_by("name", "-version")


def library_categories() -> QuerySet[Prompt, tuple[str, int]]:
    return (
        Prompt.objects.exclude(category="")
        .values_list("category")
        .annotate(Count("id"))
        .order_by("category")
    )


class ImportForm(forms.Form):
    file = forms.FileField(
        label=_("Preferences"),
        help_text=_("JSONL as TRL reads it or as HH-RLHF has it; may be gzipped."),
    )


class KindsForm(forms.Form):
    """Whose judgments: people's always, others only when asked for."""

    simulated = forms.BooleanField(required=False, label=_("with simulated judgments"))
    ai = forms.BooleanField(required=False, label=_("with AI judgments"))

    def kinds(self) -> list[str]:
        kinds = [Judgment.JudgeKind.PERSON.value]
        if self.cleaned_data["simulated"]:
            kinds.append(Judgment.JudgeKind.SIMULATION.value)
        if self.cleaned_data["ai"]:
            kinds.append(Judgment.JudgeKind.AI.value)
        return kinds


class ExportForm(KindsForm):
    format = forms.ChoiceField(
        choices=[("jsonl", "JSONL"), ("parquet", "Parquet")], label=_("Format")
    )
