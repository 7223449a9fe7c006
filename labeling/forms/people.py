"""Who takes part in a campaign, and who is invited to."""

from typing import Any

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.utils.translation import gettext_lazy as _

from labeling.models import Membership, User

ROLES = [
    (Membership.Role.LABELER, _("labeler: judges pairs")),
    (Membership.Role.REVIEWER, _("reviewer: settles disagreements too")),
    (Membership.Role.MANAGER, _("manager: sets the rules, sees and exports everything")),
]


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLES, label=_("Role"))


class MemberForm(RoleForm):
    """People who have an account, by their names."""

    names = forms.CharField(
        max_length=2000,
        label=_("Names"),
        help_text=_("User names, separated by commas or spaces; several make a group at once."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_names(self) -> list[User]:
        names = dict.fromkeys(self.cleaned_data["names"].replace(",", " ").split())
        found = {user.username: user for user in User.objects.filter(username__in=names)}
        if missing := [name for name in names if name not in found]:
            raise forms.ValidationError(
                _("Nobody here is called %(names)s. Whoever has no account can be invited.")
                % {"names": ", ".join(missing)}
            )
        if idle := [name for name, user in found.items() if not user.is_active]:
            raise forms.ValidationError(
                _("The account of %(names)s is closed.") % {"names": ", ".join(idle)}
            )
        return list(found.values())


class InvitationForm(RoleForm):
    email = forms.EmailField(
        required=False,
        label=_("E-mail address"),
        help_text=_(
            "Whom the link is for; you hand it over yourself. Whoever signs in with a provider "
            "that has verified this address gets in without the link."
        ),
    )
    days = forms.IntegerField(min_value=1, max_value=90, initial=14, label=_("Days it stays valid"))


class NewAccountForm(BaseUserCreationForm):
    """The account of somebody who was invited."""

    class Meta(BaseUserCreationForm.Meta):
        model = User
        fields = ("username", "first_name", "last_name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The rules are said where one is broken; a list of all of them stands in the way.
        self.fields["password1"].help_text = _("At least 8 characters, and not a common word.")
        self.fields["password2"].help_text = ""
        self.fields["username"].help_text = _("Letters, digits and @/./+/-/_ only.")
