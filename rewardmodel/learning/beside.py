"""A new reward model beside the one in use, on the same held-out pairs with their newest labels."""

from collections.abc import Sequence

import numpy as np

from rewardmodel.learning.artifact import Scorer
from rewardmodel.learning.pairs import Pair


def beside(scores: np.ndarray, pairs: Sequence[Pair], other: Scorer) -> dict[str, int]:
    """On how many pairs which of two models is right; equal scores are not right.

    The other model reads the texts with its own tokenizer and template, so it may have another
    trunk. It has not learned from these pairs: prompts are split alike in every snapshot.

    Args:
        scores: of the new model for the chosen and the rejected responses, (n, 2).
        pairs: n, held out; those on which people did not decide say nothing.
        other: the model in use.

    Returns:
        both_right, only_new, only_other and neither.
    """
    decided = [number for number, pair in enumerate(pairs) if pair.decided]
    asked = [pairs[number] for number in decided]
    new = scores[decided, 0] > scores[decided, 1]
    said = other.score(
        [pair.prompt for pair in asked for _ in range(2)],
        [text for pair in asked for text in (pair.chosen, pair.rejected)],
    )
    old = np.array(said[::2]) > np.array(said[1::2])
    return {
        "both_right": int((new & old).sum()),
        "only_new": int((new & ~old).sum()),
        "only_other": int((~new & old).sum()),
        "neither": int((~new & ~old).sum()),
    }
