"""Every address. Each app's urls carry its own prefixes."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from config.health import health, healthz
from labeling.views.languages import SignIn

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/login/", SignIn.as_view(), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("health/", health, name="health"),
    path("healthz", healthz, name="healthz"),
    path("api/", include("labeling.api.urls")),
    path("", include("labeling.urls")),
    path("", include("rewardmodel.urls")),
    path("", include("rlhf.urls")),
]
