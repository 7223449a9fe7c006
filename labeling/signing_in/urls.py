"""Addresses of signing in, under the names by which django-allauth asks for them.

Only what is used is here: there is no way to sign up, and e-mail addresses are not managed. What
changes a way to sign in is one transaction with its record in the audit log.
"""

from allauth.account import views as account
from allauth.mfa.base import views as second_factor
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from django.contrib.auth.views import LogoutView
from django.db.transaction import atomic
from django.urls import path, re_path
from django.views.decorators.cache import never_cache

from labeling.views import openid, sign_in

enter = sign_in.SignIn.as_view()

urlpatterns = [
    path("login/", enter, name="login"),
    path("login/", enter, name="account_login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("password/", atomic(account.password_change), name="account_change_password"),
    path("password/set/", atomic(account.password_set), name="account_set_password"),
    path(
        "password/forgotten/",
        sign_in.ForgottenPassword.as_view(),
        name="account_reset_password",
    ),
    path(
        "password/forgotten/sent/",
        account.password_reset_done,
        name="account_reset_password_done",
    ),
    re_path(
        r"^password/forgotten/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        never_cache(atomic(account.password_reset_from_key)),
        name="account_reset_password_from_key",
    ),
    path(
        "password/forgotten/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("code/", never_cache(second_factor.authenticate), name="mfa_authenticate"),
    path("code/confirm/", second_factor.reauthenticate, name="mfa_reauthenticate"),
    path("methods/", sign_in.Methods.as_view(), name="mfa_index"),
    path("methods/app/", atomic(sign_in.TurnOn.as_view()), name="mfa_activate_totp"),
    path("methods/app/off/", atomic(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("methods/<int:pk>/remove/", openid.remove, name="remove_identity"),
    path("openid/cancelled/", openid.cancelled, name="socialaccount_login_cancelled"),
    path("openid/<slug:provider_id>/", openid.to_provider, name="openid_connect_login"),
    path("openid/<slug:provider_id>/back/", openid.from_provider, name="openid_connect_callback"),
    path(
        "methods/codes/",
        never_cache(atomic(recovery_codes.view_recovery_codes)),
        name="mfa_view_recovery_codes",
    ),
    path(
        "methods/codes/new/",
        atomic(recovery_codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "methods/codes/file/",
        recovery_codes.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
]
