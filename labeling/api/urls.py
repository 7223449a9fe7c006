"""Addresses of the API."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.authtoken.views import obtain_auth_token

from labeling.api.datasets import Preferences

app_name = "api"
urlpatterns = [
    path("token/", obtain_auth_token, name="token"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("campaigns/<int:pk>/preferences/", Preferences.as_view(), name="preferences"),
]
