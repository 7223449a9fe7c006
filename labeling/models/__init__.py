from labeling.models.audit import Act, AuditEvent
from labeling.models.campaigns import Campaign, CampaignPolicy, Membership
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
from labeling.models.guidelines import GuidelinesVersion
from labeling.models.images import Image, PromptImage
from labeling.models.invitations import Invitation
from labeling.models.judgments import Judgment, PreferenceImport
from labeling.models.policies import Policy
from labeling.models.prompts import Prompt, Response
from labeling.models.quality import GoldQuestion, Hold
from labeling.models.rankings import Candidate, Ranking, ResponseGroup
from labeling.models.reports import Report
from labeling.models.reviews import ReviewItem
from labeling.models.searches import Search
from labeling.models.skips import Skip
from labeling.models.spending import SpendingMark
from labeling.models.tallies import Tally
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
    "Candidate",
    "Chat",
    "ChatTurn",
    "Comparison",
    "Demonstration",
    "DemonstrationImport",
    "DemonstrationSkip",
    "DemonstrationSlot",
    "DemonstrationSnapshot",
    "DiscardedPair",
    "GoldQuestion",
    "GuidelinesVersion",
    "Hold",
    "Image",
    "Invitation",
    "Judgment",
    "Membership",
    "OptOut",
    "Policy",
    "PreferenceImport",
    "Prompt",
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
    "Withdrawal",
]
