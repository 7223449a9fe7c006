"""What simple rules reach: a reward model is worth its accuracy above the best of them."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from rewardmodel.learning.pairs import Pair

WORDS_STRENGTH = 1.0  # inverse of the ridge penalty; 0.620 on hh_harmless, less for 0.1 and 10


def length_baseline(train: Sequence[Pair], test: Sequence[Pair]) -> float:
    """Accuracy of "the longer response wins", or of its complement if that is better on train.

    The length is in characters; equally long responses count half.
    """
    longer = np.mean([_longer_wins(pair) for pair in train])
    accuracy = float(np.mean([_longer_wins(pair) for pair in test]))
    return accuracy if longer >= 0.5 else 1 - accuracy


def _longer_wins(pair: Pair) -> float:
    difference = len(pair.chosen) - len(pair.rejected)
    return 0.5 if difference == 0 else float(difference > 0)


def majority_baseline(train: Sequence[Pair], test: Sequence[Pair]) -> float:
    """Accuracy of preferring, unread, the policy that won more often against the other on train.

    In a snapshot the better response always comes first, so "the first wins" would be right every
    time and mean nothing. What can be known without reading is who wrote a response. Where the
    snapshot does not tell (imported pairs), where both are by the same policy, and where neither
    won more often, the guess is a coin and counts half: without policies the figure is 0.5.
    """
    wins: dict[tuple[str, str], float] = defaultdict(float)
    for pair in train:
        wins[pair.chosen_policy, pair.rejected_policy] += pair.weight
    right = 0.0
    for pair in test:
        lead = (
            wins[pair.chosen_policy, pair.rejected_policy]
            - wins[pair.rejected_policy, pair.chosen_policy]
        )
        right += 0.5 if lead == 0 else float(lead > 0)
    return right / len(test)


def words_baseline(train: Sequence[Pair], test: Sequence[Pair]) -> float:
    """Accuracy of a Bradley-Terry model that sees only which words and word pairs are used.

    Its score of a response is a weighted sum of hashed counts, so the difference of two responses
    goes through a logistic regression without intercept, once as it is and once turned round.
    """
    features = HashingVectorizer(ngram_range=(1, 2), n_features=2**16, alternate_sign=False)

    def difference(pairs: Sequence[Pair]) -> np.ndarray:
        chosen = features.transform([pair.chosen for pair in pairs])
        return chosen - features.transform([pair.rejected for pair in pairs])  # (n, features)

    seen = difference(train)
    side = np.resize([1, -1], len(train))  # a logistic regression wants both classes
    model = LogisticRegression(C=WORDS_STRENGTH, fit_intercept=False, max_iter=1000)
    model.fit(
        csr_matrix(seen).multiply(side[:, None]).tocsr(), side, [pair.weight for pair in train]
    )
    lead = difference(test) @ model.coef_[0]  # (n,)
    return float(np.mean(np.where(lead == 0, 0.5, lead > 0)))
