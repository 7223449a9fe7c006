"""django-allauth's forms in Accord's words, with nothing written inside of the fields."""

from typing import Any

from allauth.account import forms as account
from allauth.mfa.base import forms as second_factor
from allauth.mfa.totp import forms as totp
from django import forms
from django.utils.translation import gettext_lazy as _


class _Plain(forms.BaseForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.help_text = ""
            if name == "email":
                field.label = _("E-mail address")
            if name == "code":
                # Digits, but no number: a code may begin with zeros.
                field.widget.attrs |= {"inputmode": "numeric", "autofocus": True}
        if "password1" in self.fields:
            self.fields["password1"].help_text = _("At least 8 characters, and not a common word.")
        if "password2" in self.fields:
            self.fields["password2"].label = _("The same password again")


class SignInForm(_Plain, account.LoginForm):
    def add_prefix(self, field_name: str) -> str:
        """The field has always been called `username` in the page; password managers know it."""
        return super().add_prefix("username" if field_name == "login" else field_name)


class ConfirmForm(_Plain, account.ReauthenticateForm):
    pass


class PasswordChangeForm(_Plain, account.ChangePasswordForm):
    pass


class PasswordSetForm(_Plain, account.SetPasswordForm):
    pass


class ForgottenPasswordForm(_Plain, account.ResetPasswordForm):
    pass


class NewPasswordForm(_Plain, account.ResetPasswordKeyForm):
    pass


class CodeForm(_Plain, second_factor.AuthenticateForm):
    pass


class ConfirmCodeForm(_Plain, second_factor.ReauthenticateForm):
    pass


class TurnOnForm(_Plain, totp.ActivateTOTPForm):
    pass
