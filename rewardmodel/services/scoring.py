"""Scores for whoever asks over HTTP: by a worker, because the web process never loads torch.

What is asked and told goes through a row, which is gone once it was read. A result store would need
a connection that the threads of a web process can't share.
"""

import time
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from labeling import errors
from rewardmodel.models import RewardModel, ScoreRequest
from rewardmodel.tasks import score

PATIENCE = 40.0  # seconds: a worker loads a model in ten, then scores some responses a second
PAUSE = 0.2  # seconds between two looks at the row
FORGOTTEN = timedelta(hours=1)  # a row whose reader went away is removed after this


def scores_of(run: RewardModel, rows: list[dict[str, Any]]) -> list[dict[str, float | None]]:
    """The score and the uncertainty of each row, {"prompt": messages, "response": text}.

    Raises:
        NotReady: the model is not finished.
        ScorerBusy: no worker answered in time.
        BadRow: the model can't score this.
    """
    if run.status != RewardModel.Status.SUCCEEDED:
        raise errors.NotReady(_("The reward model is not trained yet; wait until it is."))
    ScoreRequest.objects.filter(created_at__lt=timezone.now() - FORGOTTEN).delete()
    asked = ScoreRequest.objects.create(reward_model=run, rows=rows)
    try:
        score.apply_async((asked.pk,), expires=PATIENCE, ignore_result=True)
        told = _told(asked)
    except (OperationalError, OSError) as problem:
        raise errors.ScorerBusy from problem
    finally:
        asked.delete()
    if told.refusal:
        raise errors.BadRow(told.refusal)
    return told.scores


def _told(asked: ScoreRequest) -> ScoreRequest:
    """The row once a worker has answered it."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        answered = ScoreRequest.objects.filter(pk=asked.pk, answered=True).first()
        if answered is not None:
            return answered
        time.sleep(PAUSE)
    raise errors.ScorerBusy
