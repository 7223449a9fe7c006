"""Addresses of the API."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from labeling.api.datasets import Preferences

app_name = "api"
urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("campaigns/<int:pk>/preferences/", Preferences.as_view(), name="preferences"),
]
