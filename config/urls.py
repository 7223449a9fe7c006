"""Every address. Each app's urls carry its own prefixes."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from config.health import health, healthz

# The engine room has no door of its own, which would ask for no second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("labeling.signing_in.urls")),
    path("health/", health, name="health"),
    path("healthz", healthz, name="healthz"),
    path("api/", include("labeling.api.urls")),
    path("", include("labeling.urls")),
    path("", include("rewardmodel.urls")),
    path("", include("rlhf.urls")),
]
