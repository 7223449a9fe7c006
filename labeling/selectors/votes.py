"""A campaign's data as votes, which aggregation and the estimates of skill read."""

from collections.abc import Iterable, Iterator

from labeling.models import Campaign, Judgment
from labeling.selectors.judgments import current_judgments
from labeling.statistics.votes import FIRST, NEITHER, SECOND, Votes, votes

AT_A_TIME = 10_000


def votes_of(
    campaign: Campaign, kinds: Iterable[str] = (Judgment.JudgeKind.PERSON,)
) -> Votes | None:
    """The answers that are data, strength aside; None without any.

    Judges are named as in the reports: "u12" a labeler, "p3" an AI judge, "i4:anna" an annotator of
    an imported file.
    """
    found = votes(_rows(campaign, kinds))
    return found if len(found.pairs) else None


def _rows(campaign: Campaign, kinds: Iterable[str]) -> Iterator[tuple[int, str, int, int]]:
    judgments = current_judgments(campaign, kinds).values_list(
        "comparison_id",
        "labeler_id",
        "ai_judge_id",
        "imported_from_id",
        "annotator",
        "preference",
        "assignment__first_on_left",
    )
    for pair, labeler, ai, file, annotator, preference, first_on_left in judgments.iterator(
        chunk_size=AT_A_TIME
    ):
        if labeler is not None:
            judge = f"u{labeler}"
        else:
            judge = f"p{ai}" if ai is not None else f"i{file}:{annotator}"
        answer = NEITHER if preference == 0 else SECOND if preference > 0 else FIRST
        side = 0 if first_on_left is None else -1 if first_on_left else 1
        yield pair, judge, answer, side
