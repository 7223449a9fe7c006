"""What labelers are asked: policies and prompts, responses, and how these meet."""

from django.contrib import admin

from labeling.admin.changing import Audited, ReadOnlyAdmin
from labeling.models import (
    Candidate,
    Chat,
    ChatTurn,
    Comparison,
    DemonstrationSlot,
    DiscardedPair,
    GoldQuestion,
    Image,
    Policy,
    Prompt,
    PromptFile,
    PromptImage,
    Response,
    ResponseGroup,
)


@admin.register(Policy)
class PolicyAdmin(Audited):
    list_display = ["slug", "parent", "checkpoint", "created_at"]
    list_filter = ["name"]
    search_fields = ["name"]


@admin.register(Prompt)
class PromptAdmin(ReadOnlyAdmin):
    list_display = ["id", "category", "__str__", "created_at"]
    list_filter = ["category"]
    search_fields = ["messages"]


@admin.register(PromptFile)
class PromptFileAdmin(ReadOnlyAdmin):
    list_display = ["name", "campaign", "status", "rows", "prompts", "uploaded_by", "uploaded_at"]
    list_filter = ["status"]
    list_select_related = ["campaign", "uploaded_by"]
    search_fields = ["name", "campaign__name"]


@admin.register(Image)
class ImageAdmin(ReadOnlyAdmin):
    list_display = ["digest", "width", "height", "created_at"]


@admin.register(PromptImage)
class PromptImageAdmin(ReadOnlyAdmin):
    list_display = ["prompt", "image"]
    list_select_related = ["prompt", "image"]


@admin.register(Response)
class ResponseAdmin(ReadOnlyAdmin):
    list_display = ["id", "policy", "__str__", "token_count", "finish_reason", "created_at"]
    list_filter = ["policy", "finish_reason"]
    list_select_related = ["policy"]
    search_fields = ["text"]


@admin.register(Comparison)
class ComparisonAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "prompt", "created_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "prompt"]


@admin.register(ResponseGroup)
class ResponseGroupAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "prompt", "size", "created_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "prompt"]


@admin.register(Candidate)
class CandidateAdmin(ReadOnlyAdmin):
    list_display = ["id", "group", "place", "response"]
    list_select_related = ["group", "response"]


@admin.register(DiscardedPair)
class DiscardedPairAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "prompt", "reason", "created_at"]
    list_filter = ["reason", "campaign"]
    list_select_related = ["campaign", "prompt"]


@admin.register(Chat)
class ChatAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "labeler", "created_at", "ended_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "labeler"]


@admin.register(ChatTurn)
class ChatTurnAdmin(ReadOnlyAdmin):
    list_display = ["id", "chat", "number", "problem"]
    list_select_related = ["chat"]


@admin.register(DemonstrationSlot)
class DemonstrationSlotAdmin(ReadOnlyAdmin):
    list_display = ["id", "campaign", "prompt", "slot", "labeler", "leased_until", "answered_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "prompt", "labeler"]


@admin.register(GoldQuestion)
class GoldQuestionAdmin(ReadOnlyAdmin):
    list_display = ["comparison", "kind", "right", "created_at", "retired_at"]
    list_filter = ["kind", "comparison__campaign"]
    list_select_related = ["comparison"]
    search_fields = ["explanation"]
