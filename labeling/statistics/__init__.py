"""Shares, agreement, bias and ranking, each with intervals: over numpy and scipy, no Django."""

from labeling.statistics.shares import (
    PairedDifference,
    Share,
    paired_difference,
    pairwise_agreement,
    share,
    win_share,
)

__all__ = [
    "PairedDifference",
    "Share",
    "paired_difference",
    "pairwise_agreement",
    "share",
    "win_share",
]
