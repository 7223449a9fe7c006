"""What the pages of training runs of every kind have in common."""

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.requests import SignedIn, live_part, told
from rewardmodel.runs import TrainingRun
from rewardmodel.services.runs import cancel


def live_run(request: SignedIn, page: str, context: dict[str, Any]) -> HttpResponse:
    """The part "live" of a run's page, which changes while the run goes."""
    return live_part(request, f"{page}#live", context, under_way=context["run"].is_active)


def stop(request: SignedIn, run: TrainingRun) -> None:
    """Cancel a run of any kind and say what happens."""
    with told(request, _("The run is being stopped.")):
        cancel(run=run, now=timezone.now(), by=request.user)
