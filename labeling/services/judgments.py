import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling import errors
from labeling.models import Assignment, Campaign, Judgment, Ranking, Skip, User
from labeling.selectors.guidelines import version_shown
from labeling.services.checks import review_probation
from labeling.services.events import announce_answer
from labeling.services.rankings import preference_of, store_ranking

LONGEST_RATIONALE = 10_000  # characters


@dataclass(frozen=True)
class Answer:
    """What a labeler decided about (first, second); the sign convention is Judgment's."""

    preference: int  # negative: first is better
    equal: str = ""
    aspects: dict[str, int] = field(default_factory=dict)
    rationale: str = ""
    flags: list[str] = field(default_factory=list)
    ranks: tuple[int, ...] = ()  # of a group's candidates by their places; then the rest follows

    @classmethod
    def from_sides(cls, *, towards_right: int, first_on_left: bool, **rest: object) -> "Answer":
        """Translate the screen into the pair: on it, negative means the left one is better."""
        preference = towards_right if first_on_left else -towards_right
        return cls(preference=preference, **rest)  # type: ignore[arg-type]

    @classmethod
    def from_ranks(cls, ranks: Sequence[int], **rest: object) -> "Answer":
        """An order of a group's candidates: 1 is best, equal ranks are ties. Gaps are closed."""
        levels = {rank: level for level, rank in enumerate(sorted(set(ranks)), start=1)}
        closed = tuple(levels[rank] for rank in ranks)
        preference = preference_of(closed[0], closed[1])
        equal = "" if preference else Judgment.Equal.TIE
        return cls(preference=preference, equal=equal, ranks=closed, **rest)  # type: ignore[arg-type]


@transaction.atomic
def record_judgment(
    *,
    assignment: Assignment,
    labeler: User,
    answer: Answer,
    client_key: uuid.UUID,
    seconds: float | None,
    now: datetime,
    guidelines: int | None = None,
) -> Judgment:
    """Store one answer. The same key sent again returns what was stored the first time.

    `guidelines` is the number of the version that stood beside the pair.

    A lease that ran out costs nothing while nobody else has taken the slot.

    Raises:
        KeyReused, AlreadySkipped, AlreadyAnswered, LeaseExpired, CampaignNotOpen,
        AnswerNotOffered.
    """
    assignment = lock_slot(assignment.pk)
    stored = Judgment.objects.filter(client_key=client_key).first()
    if stored is not None:
        return same_answer(stored, assignment, labeler, answer)
    check_held(assignment, labeler)
    check_ranks(assignment, answer)
    check_offered(assignment.comparison.campaign, answer)
    judgment = store_answer(
        assignment,
        labeler,
        answer,
        client_key=client_key,
        seconds=seconds,
        now=now,
        supersedes=None,
        guidelines=guidelines,
    )
    assignment.answered_at = now
    assignment.save(update_fields=["answered_at"])
    announce_answer(judgment, now)
    review_probation(labeler, assignment.comparison.campaign, now)
    return judgment


def lock_slot(pk: int) -> Assignment:
    """A slot with its campaign, locked: whatever else settles it queues up behind its row.

    So of two requests with one client key, the second finds what the first stored.
    """
    return (
        Assignment.objects.select_for_update(of=("self",))
        .select_related("comparison__campaign")
        .get(pk=pk)
    )


def store_answer(
    assignment: Assignment,
    labeler: User,
    answer: Answer,
    *,
    client_key: uuid.UUID,
    seconds: float | None,
    now: datetime,
    supersedes: Judgment | None,
    guidelines: int | None = None,
) -> Judgment:
    """The event of an answer by whoever holds the slot; the rules are checked before."""
    judgment = Judgment.objects.create(
        comparison=assignment.comparison,
        assignment=assignment,
        labeler=labeler,
        judge_kind=labeler.kind,
        purpose=assignment.purpose,
        preference=answer.preference,
        equal=answer.equal,
        aspects=answer.aspects,
        rationale=answer.rationale,
        flags=answer.flags,
        seconds=seconds,
        client_key=client_key,
        supersedes=supersedes,
        guidelines=version_shown(assignment.comparison.campaign, guidelines),
        created_at=now,
    )
    if answer.ranks:
        store_ranking(judgment, answer.ranks, supersedes)
    return judgment


def check_held(assignment: Assignment, labeler: User) -> None:
    """Refuse, and say why, unless this labeler may settle this slot now.

    Raises:
        AlreadySkipped, LeaseExpired, AlreadyAnswered, CampaignNotOpen.
    """
    if assignment.labeler_id != labeler.pk:  # a skip gives its slot back
        skipped = Skip.objects.filter(comparison=assignment.comparison_id, labeler=labeler)
        raise errors.AlreadySkipped if skipped.exists() else errors.LeaseExpired
    if assignment.answered_at is not None:
        raise errors.AlreadyAnswered
    check_taking_answers(assignment.comparison.campaign)


def check_taking_answers(campaign: Campaign) -> None:
    """Refuse unless the campaign takes answers.

    Raises:
        CampaignNotOpen.
    """
    if not campaign.takes_answers:
        raise errors.CampaignNotOpen


def same_answer(
    stored: Judgment, assignment: Assignment, labeler: User, answer: Answer
) -> Judgment:
    """What a key stored before, if the same is sent with it again."""
    unchanged = (
        stored.assignment_id == assignment.pk
        and stored.labeler_id == labeler.pk
        and says(stored, answer)
    )
    if not unchanged:
        raise errors.KeyReused
    return stored


def says(judgment: Judgment, answer: Answer) -> bool:
    return (
        not judgment.retracted
        and judgment.preference == answer.preference
        and judgment.equal == answer.equal
        and judgment.aspects == answer.aspects
        and judgment.rationale == answer.rationale
        and judgment.flags == answer.flags
        and ranks_of(judgment) == answer.ranks
    )


def ranks_of(judgment: Judgment) -> tuple[int, ...]:
    """The order that belongs to a judgment; empty for one about a pair."""
    ranking = Ranking.objects.filter(judgment=judgment).first()
    return tuple(ranking.ranks) if ranking else ()


def check_ranks(assignment: Assignment, answer: Answer) -> None:
    """Refuse an order of other responses than the slot's, and ties where none are offered.

    Raises:
        AnswerNotOffered.
    """
    group = assignment.comparison.group
    if len(answer.ranks) != (group.size if group else 0):
        raise errors.AnswerNotOffered(_("Give each of the responses a place."))
    ties = len(set(answer.ranks)) < len(answer.ranks)
    if ties and not assignment.comparison.campaign.allow_tie:
        raise errors.AnswerNotOffered(
            _("This campaign takes no ties: give each response its own place.")
        )


def check_offered(campaign: Campaign, answer: Answer) -> None:
    """Refuse, and say why, what the campaign does not ask for, and what lacks a wanted reason.

    Raises:
        AnswerNotOffered, of which ReasonMissing is one.
    """
    offered = {
        "": answer.preference != 0,
        Judgment.Equal.TIE: campaign.allow_tie,
        Judgment.Equal.BOTH_GOOD: campaign.allow_both_good,
        Judgment.Equal.BOTH_BAD: campaign.allow_both_bad,
    }
    if not offered.get(answer.equal, False) or (answer.equal and answer.preference):
        raise errors.AnswerNotOffered
    if abs(answer.preference) > campaign.strength:
        raise errors.AnswerNotOffered(
            ngettext(
                "This campaign's scale has %(count)d step on each side.",
                "This campaign's scale has %(count)d steps on each side.",
                campaign.strength,
            )
            % {"count": campaign.strength}
        )
    if campaign.asks_reason(answer.preference) and not answer.rationale.strip():
        raise errors.ReasonMissing
    unknown = (set(answer.aspects) - set(campaign.aspects)) | (
        set(answer.flags) - set(campaign.flags)
    )
    if unknown:
        raise errors.AnswerNotOffered(
            _("This campaign does not ask for “%(name)s”.") % {"name": sorted(unknown)[0]}
        )
    if any(abs(value) > campaign.strength for value in answer.aspects.values()):
        raise errors.AnswerNotOffered
    if len(answer.rationale) > LONGEST_RATIONALE:
        raise errors.AnswerNotOffered(
            _("The rationale is longer than %(most)s characters; please shorten it.")
            % {"most": intcomma(LONGEST_RATIONALE)}
        )
