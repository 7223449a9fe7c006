"""What Accord refuses. The docstring of each class is the sentence the user reads.

Each in the reader's language: config/messages.py finds the docstrings of this file by themselves.
"""

from django.utils.translation import gettext


class Refused(Exception):
    """This is not possible."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.sentence())

    @classmethod
    def sentence(cls) -> str:
        words = " ".join((cls.__doc__ or "").split())
        return gettext(words)


class LeaseExpired(Refused):
    """Your time on this comparison ran out, so it went to someone else."""


class NoSlotFree(Refused):
    """Others judge this pair now and no further opinion is wanted: try later, or dismiss it."""


class AlreadyAnswered(Refused):
    """You have answered this comparison already; the first answer counts."""


class AlreadySkipped(Refused):
    """You skipped this comparison, so it goes to someone else; take the next one."""


class AnswerChanged(Refused):
    """This answer was changed or taken back in another tab; look at it again first."""


class AnswerWithdrawn(AnswerChanged):
    """You withdrew this answer from all data, so it can't be changed any more."""


class NotYours(Refused):
    """Only the labeler who gave an answer may change it."""


class KeyReused(Refused):
    """This answer was sent before with other content; the first one counts."""


class CampaignNotOpen(Refused):
    """This campaign takes no answers at the moment."""


class AnswerNotOffered(Refused):
    """This campaign does not offer that answer."""


class ReasonMissing(AnswerNotOffered):
    """A preference this strong needs a reason here; write in a few words what decides it."""


class PromptTaken(LeaseExpired):
    """Your time on this prompt ran out and all its places are taken; your text is kept below."""


class PromptAnswered(AlreadyAnswered):
    """You have answered this prompt already; the first answer counts."""


class PromptSkipped(AlreadySkipped):
    """You skipped this prompt, so it goes to someone else; take the next one."""


class DemonstrationRefused(Refused):
    """Write the answer first."""


class NothingToEdit(Refused):
    """Only a response that you judged better can be edited into the ideal answer here."""


class NotAChat(Refused):
    """Labelers judge pairs in this campaign and hold no conversations; go on with its pairs."""


class ConversationMovedOn(Refused):
    """This conversation went on in another tab; this is how it stands now."""


class ConversationTooLong(Refused):
    """This conversation is as long as it may get; start a new one."""


class MessageRefused(Refused):
    """Write a message first."""


class NobodyAnswers(Refused):
    """No policy answers in this campaign yet; whoever manages it can add one."""


class NothingNow(Refused):
    """There is no pair for you here at the moment."""

    until_tomorrow = False  # whether it is over for today only


class ExposureReached(NothingNow):
    """You have seen as many pairs with such content today as this campaign allows."""

    until_tomorrow = True


class QuotaReached(NothingNow):
    """You have judged as many pairs today as this campaign gives to one person a day."""

    until_tomorrow = True


class BudgetSpent(NothingNow):
    """The budget of this campaign is spent or promised, so it gives out no more pairs."""


class NotQualified(NothingNow):
    """You did not pass the test of this campaign; who manages it can let you in all the same."""


class InQuarantine(NothingNow):
    """This campaign gives you no pairs at the moment; ask whoever manages it why."""


class DeadlinePassed(NothingNow):
    """The deadline of this campaign has passed, so it gives out no more pairs."""


class WarningUnread(Refused):
    """This campaign shows harmful content; read its warning on the labeling page first."""


class AlreadyHeld(Refused):
    """This labeler's judgments are held back in this campaign already."""


class AlreadyReviewed(Refused):
    """This pair was decided or dismissed meanwhile; take the next one."""


class OwnPair(Refused):
    """You have judged or skipped this pair yourself, so somebody else reviews it."""


class TransitionRefused(Refused):
    """The campaign can't change to that state from the one it is in."""


class CampaignIncomplete(Refused):
    """The campaign can't open yet."""


class NotAPairCampaign(Refused):
    """A file holds pairs, and this campaign asks otherwise; import it into a campaign of pairs."""


class NoPlanHere(Refused):
    """Only a campaign of pairs has a pair plan; here all responses to a prompt belong together."""


class TakesPartAlready(Refused):
    """This policy answers in this campaign already."""


class TooFewToRank(Refused):
    """A ranking takes three to nine responses to a prompt; let the policies give more."""


class NobodyWouldManage(Refused):
    """Somebody has to manage this campaign; make somebody else its manager first."""


class InvitationGone(Refused):
    """This invitation is not known here; the link may have been cut off when it was copied."""


class AlreadyMember(Refused):
    """You take part in this campaign already; the invitation stays good for somebody else."""


class NotInvited(Refused):
    """Nobody has invited you yet; ask whoever runs your campaign for an invitation."""


class AddressUnverified(NotInvited):
    """Your provider does not say that your e-mail address is yours; ask for an invitation link."""


class AccountExists(Refused):
    """An account here has your e-mail address: sign in to it first, then add this way to it."""


class LastWayIn(Refused):
    """You sign in by nothing else; set a password first, then remove this."""


class NothingToLeaveOut(Refused):
    """No prompt that is not asked yet says nearly the same as another; check them again first."""


class NothingToWithdraw(Refused):
    """There is nothing of yours that is still used, so there is nothing to withdraw."""


class NameTaken(Refused):
    """Another group has this name; choose a different one."""


class AddressRefused(Refused):
    """This address can't be told of anything."""


class BeingRead(Refused):
    """This file is being read into this campaign already; wait for its end, or stop it."""


class NothingToStop(Refused):
    """This file is read no longer, so there is nothing to stop."""


class BadRow(Refused):
    """A row of the file can't be used."""


class AlreadyImported(Refused):
    """This file was imported into this campaign before; nothing was added."""


class NothingJudged(Refused):
    """Nobody has judged anything here yet, so there is nothing to freeze."""


class OrderUnderWay(Refused):
    """A snapshot of this campaign is being made; wait for it, then take the next one."""


class TooFewPairs(Refused):
    """There are too few judged pairs to train on."""


class TooFewDemonstrations(Refused):
    """There are too few demonstrations to learn from."""


class RunNotActive(Refused):
    """This run has ended, so there is nothing to cancel."""


class NothingToSteer(Refused):
    """This run has ended or is about to, so nothing of it can be changed any more."""


class SuiteImported(Refused):
    """There is a suite with this name, or with these pairs, already; nothing was added."""


class ScorerBusy(Refused):
    """No worker had time to score this; ask again in a minute."""


class NotReady(Refused):
    """The step before this one is not finished."""
