"""Reward models over HTTP."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.access import require_engineer
from labeling.models import Scope
from rewardmodel.models import RewardModel
from rewardmodel.services.scoring import scores_of

MOST_ROWS = 32  # in one request; more by `manage.py score`, which has no time limit
LONGEST_TEXT = 20_000  # characters of a message or response


class Scores(APIView):
    """What a reward model says about responses."""

    scopes = {"POST": Scope.READ}

    class Input(serializers.Serializer):
        class Row(serializers.Serializer):
            class Message(serializers.Serializer):
                role = serializers.ChoiceField(choices=["system", "user", "assistant"])
                content = serializers.CharField(max_length=LONGEST_TEXT)

            prompt = Message(many=True, allow_empty=False)
            response = serializers.CharField(max_length=LONGEST_TEXT)

        rows = Row(many=True, allow_empty=False)

        def validate_rows(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            if len(rows) > MOST_ROWS:
                raise serializers.ValidationError(
                    _("At most %(most)d rows a request; manage.py score takes any number.")
                    % {"most": MOST_ROWS}
                )
            return rows

    class Output(serializers.Serializer):
        class Score(serializers.Serializer):
            score = serializers.FloatField(help_text="0 is average, 1 a standard deviation above")
            uncertainty = serializers.FloatField(
                allow_null=True, help_text="spread of the heads; null where there is one"
            )

        reward_model = serializers.IntegerField()
        scores = Score(many=True)

    @extend_schema(request=Input, responses={200: Output})
    def post(self, request: Request, pk: int) -> Response:
        """Score up to 32 responses, each to its own conversation, in the order asked."""
        require_engineer(request.user)
        run = get_object_or_404(RewardModel, pk=pk)
        given = self.Input(data=request.data)
        given.is_valid(raise_exception=True)
        scores = scores_of(run, given.validated_data["rows"])
        return Response({"reward_model": run.pk, "scores": scores})
