"""Addresses of the rewardmodel pages."""

from django.urls import URLPattern, URLResolver

app_name = "rewardmodel"
urlpatterns: list[URLPattern | URLResolver] = []
