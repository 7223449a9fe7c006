import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.forms import generating_policies
from labeling.models import Policy
from labeling.services.prompts import LONGEST_MESSAGE
from rlhf.models import Round


class DecisionForm(forms.Form):
    """What becomes of a round's new policy, and why."""

    decision = forms.ChoiceField(choices=Round.Decision)
    reason = forms.CharField(
        max_length=200,
        label=_("Why?"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


# The SFT program's own choices, with words; the web process can't load it (torch).
TUNINGS = [
    ("lora", _("Small matrices beside the weights (LoRA): little memory")),
    ("full", _("All weights: more memory, learns more")),
]


class PriceForm(forms.Form):
    """What a run in progress pays from now on for a nat away from its reference."""

    kl_coef = forms.FloatField(
        min_value=0,
        max_value=1000,
        label=_("KL coefficient"),
        help_text=_("Score given up per nat; higher holds the policy nearer to its parent."),
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )


class StartForm(forms.Form):
    """What a round's training starts from: any version of the line, one taught by SFT included."""

    policy = forms.ModelChoiceField(
        queryset=Policy.objects.none(),
        required=False,
        label=_("Start from"),
        empty_label=_("the current policy"),
        help_text=_("The trunk of the reward model; the start and the reference of PPO."),
    )

    def __init__(self, *args: Any, line: str | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["policy"].queryset = generating_policies().filter(name=line)  # type: ignore[attr-defined]


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


class MessageForm(forms.Form):
    """The next message of a live conversation."""

    message = forms.CharField(
        max_length=LONGEST_MESSAGE,
        label=_("Your message"),
        error_messages={"required": _("Write a message first.")},
        widget=forms.Textarea(attrs={"rows": 3, "data-message": ""}),
    )
    number = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    client_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "message-%s")
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
