"""Where a reward model contradicts people, people look once more."""

import logging

from labeling.services.reviews import note_surprises
from rewardmodel.models import RewardModel
from rewardmodel.selectors.predictions import surprises

logger = logging.getLogger(__name__)


def review_surprises(run: RewardModel) -> None:
    """Put what surprises a model that has just succeeded into the review queue."""
    run.refresh_from_db()
    if run.status != RewardModel.Status.SUCCEEDED:
        return
    try:
        note_surprises(run.campaign, surprises(run))
    except Exception:  # the model is trained and stored, whatever becomes of the queue
        logger.exception("what surprises %s did not come into the review queue", run)
