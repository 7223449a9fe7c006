from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.forms import generating_policies
from rewardmodel.models import RewardModel

# The training program's own choices, with words; the web process can't load it (torch).
LOSSES = [
    ("bradley-terry", _("Bradley-Terry: undecided pairs are left out")),
    ("davidson", _("Davidson: learns from ties, which are likeliest between equals")),
    ("rao-kupper", _("Rao-Kupper: learns from ties, which are differences nobody notices")),
]

LABELS = [
    ("shares", _("Shares of votes")),
    ("majority", _("The majority, as if it were sure")),
    ("posterior", _("How likely the majority is right, by how often people disagree")),
    ("labelers", _("The same, by the skill and the side bias of each labeler")),
]

STRENGTHS = [
    ("as said", _("As said")),
    ("calibrated", _("By its rank among the same labeler's answers")),
]
OVERALL = "overall"  # the head of the whole answer, beside those of the aspects
WEIGHTS_HELP = _("With weights each has a head of its own; the score is their weighted mean.")


class TrainForm(forms.Form):
    """What a reward model starts from; empty numbers mean the program's own choice."""

    base = forms.ModelChoiceField(
        queryset=generating_policies(), label=_("Trunk from"), empty_label=None
    )
    loss = forms.ChoiceField(choices=LOSSES, required=False, label=_("Loss"))
    labels = forms.ChoiceField(choices=LABELS, required=False, label=_("Learn from"))
    margin_scale = forms.FloatField(
        required=False,
        min_value=0,
        max_value=10,
        label=_("Lead for the strongest preference"),
        help_text=_("How far the scores of a pair should differ; empty ignores strength."),
    )
    strengths = forms.ChoiceField(
        choices=STRENGTHS, required=False, label=_("Strength of an answer")
    )
    heads = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=32,
        label=_("Heads"),
        help_text=_("From two on, the model also says how unsure it is; five are usual."),
    )
    epochs = forms.IntegerField(
        required=False, min_value=1, max_value=20, label=_("Passes over the pairs")
    )
    learning_rate = forms.FloatField(
        required=False, min_value=1e-8, max_value=1, label=_("Learning rate")
    )

    def __init__(self, *args: Any, aspects: Sequence[str] = (), **kwargs: Any) -> None:
        """Ask for a weight of each aspect too, where the campaign has some."""
        super().__init__(*args, **kwargs)
        own = [name for name in aspects if name != OVERALL]
        self.heads_of = dict(enumerate([OVERALL, *own] if own else []))
        for number, name in self.heads_of.items():
            words = _("Weight of %(aspect)s") % {"aspect": name}
            self.fields[f"weight_{number}"] = forms.FloatField(
                required=False,
                min_value=0,
                max_value=1000,
                label=_("Weight of the whole answer") if name == OVERALL else words,
                help_text=WEIGHTS_HELP if name == OVERALL else "",
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self._aspects(cleaned) and (cleaned.get("heads") or 1) > 1:
            self.add_error("heads", _("With weights each aspect has one head; leave this empty."))
        if cleaned.get("strengths") == "calibrated" and not cleaned.get("margin_scale"):
            self.add_error(
                "margin_scale", _("Say how far scores should differ, or take strength as said.")
            )
        return cleaned

    def _aspects(self, cleaned: dict[str, Any]) -> dict[str, float]:
        weights = {name: cleaned.get(f"weight_{n}") for n, name in self.heads_of.items()}
        return {name: weight for name, weight in weights.items() if weight}

    def config(self) -> dict[str, Any]:
        chosen = {
            name: self.cleaned_data[name]
            for name in (
                "loss",
                "labels",
                "margin_scale",
                "strengths",
                "heads",
                "epochs",
                "learning_rate",
            )
            if self.cleaned_data[name] not in (None, "")
        }
        aspects = self._aspects(self.cleaned_data)
        return chosen | ({"aspects": aspects} if aspects else {})


class CompareForm(forms.Form):
    """Another model of the same campaign."""

    other = forms.ModelChoiceField(queryset=RewardModel.objects.none(), label=_("Compare with"))

    def __init__(self, *args: Any, runs: list[RewardModel], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelChoiceField[RewardModel]", self.fields["other"])
        field.queryset = RewardModel.objects.filter(pk__in=[run.pk for run in runs])
        field.empty_label = None
        self.any = bool(runs)


class SuiteForm(forms.Form):
    """A test suite from a file."""

    name = forms.CharField(max_length=80, label=_("Name"))
    file = forms.FileField(
        label=_("Pairs"),
        help_text=_(
            "JSON or JSONL: RewardBench (prompt, chosen, rejected, subset), LLMBar (input, "
            "output_1, output_2, label), or as preferences are imported; may be gzipped."
        ),
    )
