"""Who is told of what."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.access import campaigns_for
from labeling.models import Campaign, EventKind, Membership, User
from labeling.models.events import MAILED


class WebhookForm(forms.Form):
    """An address and what it is told of."""

    url = forms.URLField(
        max_length=500,
        label=_("Address"),
        assume_scheme="https",
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"}),
    )
    campaign = forms.ModelChoiceField(
        queryset=Campaign.objects.none(), required=False, label=_("Campaign"), empty_label=None
    )
    kinds = forms.MultipleChoiceField(
        choices=EventKind,
        widget=forms.CheckboxSelectMultiple,
        label=_("It is told when"),
        error_messages={"required": _("Choose what it is told of.")},
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["campaign"]
        field.queryset = campaigns_for(by, Membership.Role.MANAGER)  # type: ignore[attr-defined]
        if by.steers_training:
            field.empty_label = _("all campaigns")  # type: ignore[attr-defined]
        else:
            field.required = True


class MailWishForm(forms.Form):
    """Of what a user gets letters."""

    kinds = forms.MultipleChoiceField(
        choices=[(kind, kind.label) for kind in MAILED],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Write to me when"),
    )
