"""Shares as whole numbers that add up."""

from collections.abc import Mapping
from math import floor


def largest_remainders(amounts: Mapping[str, float]) -> dict[str, int]:
    """Each amount rounded to a whole number next to it, the sum to the nearest one (Hamilton)."""
    whole = {name: floor(amount) for name, amount in amounts.items()}
    over = round(sum(amounts.values())) - sum(whole.values())
    order = sorted(amounts, key=lambda name: (whole[name] - amounts[name], name))
    for name in order[:over]:
        whole[name] += 1
    return whole
