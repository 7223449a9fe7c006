"""Refusals as JSON: the same sentences as on the pages."""

from typing import Any

from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from labeling import errors

UNPROCESSABLE = (errors.BadRow, errors.TooFewPairs)


def refusal_handler(problem: Exception, context: dict[str, Any]) -> Response | None:
    """422 for data that can't be used, 409 for what the present state does not allow.

    503 where nobody had time.
    """
    if isinstance(problem, errors.Refused):
        code = status.HTTP_409_CONFLICT
        if isinstance(problem, UNPROCESSABLE):
            code = status.HTTP_422_UNPROCESSABLE_ENTITY
        elif isinstance(problem, errors.ScorerBusy):
            code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Response({"detail": str(problem)}, status=code)
    return exception_handler(problem, context)
