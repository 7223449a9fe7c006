"""Preferences over HTTP: take them in, hand them out."""

from django.core.files.uploadedfile import UploadedFile
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.access import campaign_for
from labeling.models import Membership, Scope
from labeling.selectors.judgments import kinds_asked_for
from labeling.services.annotated_imports import import_judgments
from labeling.services.exports import jsonl_lines, note_export, preference_rows


class Preferences(APIView):
    """The preferences of a campaign, for those who manage it."""

    parser_classes = [MultiPartParser]
    scopes = {"GET": Scope.READ, "POST": Scope.MANAGE}

    class Input(serializers.Serializer):
        file = serializers.FileField(
            help_text="JSONL (TRL or HH-RLHF layout) or PandaLM's JSON, may be gzipped"
        )

    class Report(serializers.Serializer):
        preferences = serializers.IntegerField()
        judgments = serializers.IntegerField()
        discarded = serializers.IntegerField()
        repeated = serializers.IntegerField()
        not_comparable = serializers.IntegerField()

    class Query(serializers.Serializer):
        simulated = serializers.BooleanField(default=False)
        ai = serializers.BooleanField(default=False)

    @extend_schema(request=Input, responses={201: Report})
    def post(self, request: Request, pk: int) -> Response:
        """Import a file: all of it, or nothing and the reason with its line."""
        campaign = campaign_for(request.user, pk, Membership.Role.MANAGER)
        given = self.Input(data=request.data)
        given.is_valid(raise_exception=True)
        file: UploadedFile = given.validated_data["file"]
        report = import_judgments(
            campaign=campaign,
            file=file,
            name=file.name or "upload",
            by=request.user,
            now=timezone.now(),
        )
        return Response(self.Report(report).data, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[Query], responses={200: OpenApiTypes.STR})
    def get(self, request: Request, pk: int) -> StreamingHttpResponse:
        """Export as JSONL, streamed; simulated and AI judgments only when asked for."""
        campaign = campaign_for(request.user, pk, Membership.Role.MANAGER)
        asked = self.Query(data=request.query_params)
        asked.is_valid(raise_exception=True)
        kinds = kinds_asked_for(**asked.validated_data)
        note_export(campaign=campaign, kinds=kinds, to="jsonl", by=request.user)
        return StreamingHttpResponse(
            jsonl_lines(preference_rows(campaign, kinds)), content_type="application/x-ndjson"
        )
