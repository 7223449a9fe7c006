from labeling.models.audit import Act, AuditEvent
from labeling.models.campaigns import Campaign, CampaignPolicy, Membership, PairRule
from labeling.models.care import OptOut
from labeling.models.chats import Chat, ChatTurn
from labeling.models.comparisons import Assignment, Comparison, DiscardedPair
from labeling.models.datasets import Snapshot, SnapshotJudgment, SnapshotOrder
from labeling.models.demonstrations import (
    Demonstration,
    DemonstrationImport,
    DemonstrationSkip,
    DemonstrationSlot,
    DemonstrationSnapshot,
    SnapshotDemonstration,
)
from labeling.models.events import Delivery, DeliveryAttempt, EventKind, MailWish, Webhook
from labeling.models.groups import GroupMember, InvitedGroup, LabelerGroup
from labeling.models.guidelines import GuidelinesVersion
from labeling.models.images import Image, PromptImage
from labeling.models.invitations import Invitation
from labeling.models.judgments import Judgment, PreferenceImport
from labeling.models.pair_choices import PairChoice
from labeling.models.pair_plans import PlannedMeeting
from labeling.models.policies import Policy
from labeling.models.prompt_files import PromptFile
from labeling.models.prompts import Prompt, Response
from labeling.models.quality import GoldQuestion, Hold
from labeling.models.rankings import Candidate, Ranking, ResponseGroup
from labeling.models.reports import Report
from labeling.models.reviews import ReviewItem
from labeling.models.searches import Search
from labeling.models.skips import Skip
from labeling.models.spending import SpendingMark
from labeling.models.tallies import CampaignTally, ComparisonTally, Tally
from labeling.models.tokens import ApiToken, Scope
from labeling.models.users import User
from labeling.models.withdrawals import Tombstone, Withdrawal

__all__ = [
    "Act",
    "ApiToken",
    "Assignment",
    "AuditEvent",
    "Campaign",
    "CampaignPolicy",
    "CampaignTally",
    "Candidate",
    "Chat",
    "ChatTurn",
    "Comparison",
    "ComparisonTally",
    "Delivery",
    "DeliveryAttempt",
    "Demonstration",
    "DemonstrationImport",
    "DemonstrationSkip",
    "DemonstrationSlot",
    "DemonstrationSnapshot",
    "DiscardedPair",
    "EventKind",
    "GoldQuestion",
    "GroupMember",
    "GuidelinesVersion",
    "Hold",
    "Image",
    "Invitation",
    "InvitedGroup",
    "Judgment",
    "LabelerGroup",
    "MailWish",
    "Membership",
    "OptOut",
    "PairChoice",
    "PairRule",
    "PlannedMeeting",
    "Policy",
    "PreferenceImport",
    "Prompt",
    "PromptFile",
    "PromptImage",
    "Ranking",
    "Report",
    "Response",
    "ResponseGroup",
    "ReviewItem",
    "Scope",
    "Search",
    "Skip",
    "Snapshot",
    "SnapshotDemonstration",
    "SnapshotJudgment",
    "SnapshotOrder",
    "SpendingMark",
    "Tally",
    "Tombstone",
    "User",
    "Webhook",
    "Withdrawal",
]
