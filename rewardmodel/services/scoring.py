"""Scores for whoever asks over HTTP: by a worker, because the web process never loads torch."""

from typing import Any

from celery.exceptions import CeleryError
from celery.result import allow_join_result
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from labeling import errors
from rewardmodel.models import RewardModel
from rewardmodel.tasks import score

PATIENCE = (
    40.0  # seconds: a worker loads a model in about ten, then scores a few responses a second
)


def scores_of(run: RewardModel, rows: list[dict[str, Any]]) -> list[dict[str, float | None]]:
    """The score and the uncertainty of each row, {"prompt": messages, "response": text}.

    Raises:
        NotReady: the model is not finished.
        ScorerBusy: no worker answered in time.
        BadRow: the model can't score this.
    """
    if run.status != RewardModel.Status.SUCCEEDED:
        raise errors.NotReady(_("The reward model is not trained yet; wait until it is."))
    try:
        asked = score.apply_async((run.pk, rows), expires=PATIENCE)
        with allow_join_result():
            told = asked.get(timeout=PATIENCE)
        asked.forget()
    except (CeleryError, OperationalError, OSError) as problem:
        raise errors.ScorerBusy from problem
    if "refusal" in told:
        raise errors.BadRow(told["refusal"])
    return told["scores"]
