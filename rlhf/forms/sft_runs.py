"""How a policy learns from demonstrations."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.forms import generating_policies

# The SFT program's own choices, with words; the web process can't load it (torch).
TUNINGS = [
    ("lora", _("Small matrices beside the weights (LoRA): little memory")),
    ("full", _("All weights: more memory, learns more")),
]


class TeachForm(forms.Form):
    """What SFT starts from and how; empty numbers mean the program's own choice."""

    parent = forms.ModelChoiceField(
        queryset=generating_policies(), label=_("Policy that learns"), empty_label=None
    )
    tuning = forms.ChoiceField(choices=TUNINGS, required=False, label=_("What changes"))
    epochs = forms.IntegerField(
        required=False, min_value=1, max_value=50, label=_("Passes over the demonstrations")
    )
    learning_rate = forms.FloatField(
        required=False, min_value=1e-8, max_value=1, label=_("Learning rate")
    )
    batch_size = forms.IntegerField(
        required=False, min_value=1, max_value=1024, label=_("Demonstrations a step")
    )
    max_length = forms.IntegerField(
        required=False,
        min_value=16,
        label=_("Longest demonstration, in tokens"),
        help_text=_("Longer ones are left out and counted."),
    )

    def config(self) -> dict[str, Any]:
        return {
            name: self.cleaned_data[name]
            for name in ("tuning", "epochs", "learning_rate", "batch_size", "max_length")
            if self.cleaned_data[name] not in (None, "")
        }
