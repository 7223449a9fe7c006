"""What people send from the pages, checked and put into the words of the services."""

from labeling.forms.audit import AuditForm
from labeling.forms.campaigns import CampaignForm, NewCampaignForm, generating_policies
from labeling.forms.demonstrations import (
    DemonstrationExportForm,
    DemonstrationForm,
    DemonstrationImportForm,
    DemonstrationKindsForm,
    PreviewForm,
    SkipPromptForm,
)
from labeling.forms.events import MailWishForm, WebhookForm
from labeling.forms.groups import GroupForm, GroupPeopleForm, InviteGroupForm
from labeling.forms.judgments import (
    AheadForm,
    AnswerForm,
    JudgmentForm,
    OptOutForm,
    ReleaseForm,
    RetractForm,
    SkipForm,
)
from labeling.forms.people import InvitationForm, MemberForm, NewAccountForm, RoleForm
from labeling.forms.prompts import PromptFileForm
from labeling.forms.quality import GoldFileForm, GoldForm, HoldForm
from labeling.forms.rankings import LETTERS, RankingForm, answer_form, filled_form, order_in_words
from labeling.forms.tokens import TokenForm
from labeling.forms.transfers import ExportForm, ImportForm, SnapshotForm

__all__ = [
    "LETTERS",
    "AheadForm",
    "AnswerForm",
    "AuditForm",
    "CampaignForm",
    "DemonstrationExportForm",
    "DemonstrationForm",
    "DemonstrationImportForm",
    "DemonstrationKindsForm",
    "ExportForm",
    "GoldFileForm",
    "GoldForm",
    "GroupForm",
    "GroupPeopleForm",
    "HoldForm",
    "ImportForm",
    "InvitationForm",
    "InviteGroupForm",
    "JudgmentForm",
    "MailWishForm",
    "MemberForm",
    "NewAccountForm",
    "NewCampaignForm",
    "OptOutForm",
    "PreviewForm",
    "PromptFileForm",
    "RankingForm",
    "ReleaseForm",
    "RetractForm",
    "RoleForm",
    "SkipForm",
    "SkipPromptForm",
    "SnapshotForm",
    "TokenForm",
    "WebhookForm",
    "answer_form",
    "filled_form",
    "generating_policies",
    "order_in_words",
]
