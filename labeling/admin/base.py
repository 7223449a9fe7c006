"""What rows in the engine room have in common: searched, and read-only, or audited when changed."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models, transaction
from django.http import HttpRequest

from labeling.models import Act, User
from labeling.services import audit


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


class ReadOnlyAdmin(Searchable):
    """For rows the database itself refuses to change, and rows that only programs write."""

    show_full_result_count = False  # counting a large table takes longer than showing it

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Audited(Searchable):
    """What is changed in the engine room is an administrative act like any other."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, Act.ADMIN_ADDED, obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, Act.ADMIN_CHANGED, obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self._record(request, Act.ADMIN_DELETED, obj, "")
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, act: Act, obj: Any, message: Any) -> None:
        assert isinstance(request.user, User)
        with transaction.atomic():  # the action that deletes many rows brings none of its own
            audit.record(actor=request.user, act=act, subject=obj, details={"message": message})
