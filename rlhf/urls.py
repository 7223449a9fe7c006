"""Addresses of the rlhf pages."""

from django.urls import URLPattern, URLResolver

app_name = "rlhf"
urlpatterns: list[URLPattern | URLResolver] = []
