"""Which events of the audit log are wanted."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.models import Act
from labeling.selectors.audit import AuditSearch


class AuditForm(forms.Form):
    words = forms.CharField(
        required=False,
        max_length=100,
        label=_("Search"),
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    act = forms.ChoiceField(
        required=False, choices=[("", _("everything")), *Act.choices], label=_("What happened")
    )
    since = forms.DateField(
        required=False, label=_("From"), widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        required=False, label=_("Until"), widget=forms.DateInput(attrs={"type": "date"})
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", _("This day lies before the first one."))
        return cleaned

    def search(self) -> AuditSearch:
        """What was asked for; of a form with a mistake, everything that is right in it."""
        given = {name: value for name, value in self.cleaned_data.items() if value}
        return AuditSearch(**given)
