from dataclasses import dataclass

from django.db.models import Count, Q

from labeling.models import Campaign
from rlhf.models import ResponseRequest

Status = ResponseRequest.Status


@dataclass(frozen=True)
class GenerationState:
    """How far a campaign's responses are."""

    wanted: int
    done: int
    failed: int
    complaint: str  # why the queued ones wait, as the last attempt said; empty when all is well

    @property
    def queued(self) -> int:
        return self.wanted - self.done - self.failed


def generation_state(campaign: Campaign) -> GenerationState:
    requests = ResponseRequest.objects.filter(campaign=campaign)
    counts = requests.aggregate(
        wanted=Count("id"),
        done=Count("id", filter=Q(status=Status.DONE)),
        failed=Count("id", filter=Q(status=Status.FAILED)),
    )
    waiting = requests.filter(status=Status.QUEUED).exclude(error="").order_by("-id").first()
    return GenerationState(**counts, complaint=waiting.error if waiting else "")
