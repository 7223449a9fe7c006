"""A new API token."""

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.models import Scope


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=80, label=_("Name"), help_text=_("What uses it: nightly export, notebook.")
    )
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        label=_("It may"),
        error_messages={"required": _("Choose what it may be used for.")},
        help_text=_("Never more than you may do yourself."),
    )
    days = forms.IntegerField(
        min_value=1, max_value=366, initial=90, label=_("Days until it runs out")
    )
