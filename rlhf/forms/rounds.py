"""What a round starts from and how it ends."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.forms import generating_policies
from labeling.models import Policy
from rlhf.models import Round


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


class DecisionForm(forms.Form):
    """What becomes of a round's new policy, and why."""

    decision = forms.ChoiceField(choices=Round.Decision)
    reason = forms.CharField(
        max_length=200,
        label=_("Why?"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
