"""Addresses of the labeling pages."""

from django.urls import URLPattern, URLResolver

app_name = "labeling"
urlpatterns: list[URLPattern | URLResolver] = []
