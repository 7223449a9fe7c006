"""Agreement and ratings from the votes of PandaLM's test set, beside the values that are known.

The table below was counted once, by `Counter`, in the file of 999 pairs and three annotators that
WeOpenML published with PandaLM (Apache-2.0): who met whom, by their initials, and how often the
annotators gave which three votes; 0 is a tie, 1 the first is better, 2 the second.
"""

import pytest

from labeling.models import Policy
from labeling.selectors.agreement import agreement_figures
from labeling.selectors.ratings import policy_figures
from tests.labeling.test_annotated_imports import entry, listed, load

POLICIES = ["bloom-7b", "cerebras-gpt-6.7B", "llama-7b", "opt-7b", "pythia-6.9b"]
VOTES = """
    000 001 002 020 022 100 101 110 111 112 121 122 200 202 211 212 220 221 222
b c  10   0   0   0   0   0   1   2  56   0   0   1   1   0   0   2   0   0  27
b l  10   0   0   0   0   0   2   0  23   2   0   0   1   1   1   3   0   2  66
b o   8   0   1   0   0   1   0   0  41   0   0   1   1   0   2   1   0   1  32
b p  10   0   0   0   0   0   1   2  39   1   1   0   1   1   3   5   0   1  42
c l   6   0   0   0   0   0   0   1  21   0   0   2   0   0   2   2   1   1  74
c o   8   0   0   0   1   1   1   0  25   1   5   1   0   0   1   0   1   0  46
c p  10   0   0   1   2   0   2   1  20   2   2   1   0   0   0   1   0   0  49
l o   8   1   0   1   0   1   0   1  66   1   2   1   0   2   1   0   0   0  21
l p   5   1   0   1   0   1   2   1  51   3   0   2   1   0   1   0   0   0  25
o p  10   0   1   1   1   1   2   2  26   0   2   2   2   0   0   4   0   2  44
"""


@pytest.fixture
def judged(campaign):
    """A campaign with as many pairs, of made-up texts, on which the same votes were given."""
    named = {name[0]: name for name in POLICIES}
    votes, *rows = [line.split() for line in VOTES.strip().splitlines()]
    entries = [
        (f"{named[one]}_{named[other]}", [int(vote) for vote in three])
        for one, other, *counts in rows
        for three, count in zip(votes, counts, strict=True)
        for _ in range(int(count))
    ]
    report = load(
        campaign, listed(entry(at, three, cmp_key=met) for at, (met, three) in enumerate(entries))
    )
    assert (report.preferences, report.judgments) == (999, 2997)
    return campaign


def test_three_annotators_agree_as_is_known_of_them(judged):
    figures = agreement_figures(judged, "person")
    whole = {name: estimate["value"] for name, estimate in figures["whole"].items()}
    assert whole["percent"] == pytest.approx(0.9199, abs=5e-5)
    assert whole["fleiss"] == pytest.approx(0.8642, abs=5e-5)
    assert whole["nominal"] == pytest.approx(0.8642, abs=5e-5)
    kappas = {
        pair["one"][-1] + pair["other"][-1]: pair["kappa"]["value"] for pair in figures["pairs"]
    }
    assert kappas == pytest.approx({"12": 0.8520, "13": 0.8789, "23": 0.8617}, abs=5e-5)


def test_five_policies_are_rated_as_is_known_of_them(judged):
    figures = policy_figures(judged, "person")
    names = {f"p{policy.pk}": policy.name for policy in Policy.objects.all()}
    found = {names[rating["policy"]]: rating for rating in figures["whole"]["ratings"]}
    assert figures["pairs"] == 999
    assert {name: rating["value"] for name, rating in found.items()} == pytest.approx(
        {
            "llama-7b": 0.724,
            "pythia-6-9b": 0.074,
            "bloom-7b": -0.018,
            "opt-7b": -0.243,
            "cerebras-gpt-6-7B": -0.537,
        },
        abs=5e-4,
    )
    with_ties_modelled = [rating["davidson"] for rating in found.values()]
    assert with_ties_modelled == pytest.approx([0.819, 0.083, -0.021, -0.274, -0.607], abs=5e-4)
