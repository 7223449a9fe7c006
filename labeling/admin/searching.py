"""How tables of the engine room are searched."""

from collections.abc import Iterator

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest


class Searchable(admin.ModelAdmin):
    """Every table is searched: by what it says itself, or else by its key and what it points at."""

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        own = super().get_search_fields(request)
        return [*own] or ["pk__exact", *names_pointed_at(self.model)]


def names_pointed_at(model: type[models.Model]) -> Iterator[str]:
    """The names of users, campaigns, policies and the like that a row has foreign keys to."""
    for field in model._meta.concrete_fields:
        other = field.related_model
        if not isinstance(field, models.ForeignKey) or not isinstance(other, type):
            continue
        for name in ("username", "name"):
            try:
                other._meta.get_field(name)
            except FieldDoesNotExist:
                continue
            yield f"{field.name}__{name}"
