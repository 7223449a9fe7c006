"""How a policy is asked several times, so that the best of its answers can be chosen."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.forms import generating_policies


class BestOfForm(forms.Form):
    """Who answers, how often, and which prompts."""

    policy = forms.ModelChoiceField(
        queryset=generating_policies(),
        label=_("Policy that answers"),
        empty_label=None,
        help_text=_("An inference server must have it."),
    )
    n = forms.IntegerField(min_value=2, max_value=64, initial=8, label=_("Answers to each prompt"))
    prompts = forms.IntegerField(
        min_value=2, max_value=2000, initial=64, label=_("Prompts of the campaign, at most")
    )
    temperature = forms.FloatField(
        required=False,
        min_value=0.01,
        max_value=2,
        label=_("Temperature"),
        help_text=_("Empty: 1, the policy as it is."),
    )
    max_tokens = forms.IntegerField(
        required=False, min_value=1, max_value=4096, label=_("Longest answer, in tokens")
    )

    def config(self) -> dict[str, Any]:
        return {
            name: self.cleaned_data[name]
            for name in ("n", "temperature", "max_tokens")
            if self.cleaned_data[name] not in (None, "")
        }
