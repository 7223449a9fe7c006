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
]


class TrainForm(forms.Form):
    """What a reward model starts from; empty numbers mean the program's own choice."""

    base = forms.ModelChoiceField(
        queryset=generating_policies(), label=_("Trunk from"), empty_label=None
    )
    loss = forms.ChoiceField(choices=LOSSES, required=False, label=_("Loss"))
    labels = forms.ChoiceField(choices=LABELS, required=False, label=_("Learn from"))
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

    def config(self) -> dict[str, Any]:
        return {
            name: self.cleaned_data[name]
            for name in ("loss", "labels", "heads", "epochs", "learning_rate")
            if self.cleaned_data[name] not in (None, "")
        }


class CompareForm(forms.Form):
    """Another model of the same campaign."""

    other = forms.ModelChoiceField(queryset=RewardModel.objects.none(), label=_("Compare with"))

    def __init__(self, *args: Any, runs: list[RewardModel], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelChoiceField[RewardModel]", self.fields["other"])
        field.queryset = RewardModel.objects.filter(pk__in=[run.pk for run in runs])
        field.empty_label = None
        self.any = bool(runs)
