"""Groups of labelers."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.forms.people import MemberForm
from labeling.models import Campaign, LabelerGroup


class GroupPeopleForm(MemberForm):
    """People who join a group, by their names."""

    role = None  # type: ignore[assignment]


class GroupForm(GroupPeopleForm):
    """A new group."""

    field_order = ["name", "names"]

    name = forms.CharField(max_length=80, label=_("Name of the group"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["names"].label = _("People")
        self.fields["names"].help_text = _("User names, separated by commas or spaces.")


class InviteGroupForm(forms.Form):
    """A group that a campaign does not have yet."""

    group = forms.ModelChoiceField(
        queryset=LabelerGroup.objects.none(), label=_("Group"), empty_label=None
    )

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        free = LabelerGroup.objects.exclude(campaigns=campaign)
        self.fields["group"].queryset = free  # type: ignore[attr-defined]
