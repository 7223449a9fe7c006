"""Which rows of the engine room can be changed: none, or with a line in the audit log."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest

from labeling.admin.searching import Searchable
from labeling.models import Act, User
from labeling.services import audit


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
