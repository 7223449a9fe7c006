from django import forms
from django.utils.translation import gettext_lazy as _

from rlhf.models import Round


class DecisionForm(forms.Form):
    """What becomes of a round's new policy, and why."""

    decision = forms.ChoiceField(choices=Round.Decision)
    reason = forms.CharField(
        max_length=200,
        label=_("Why?"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
