"""What engineers send from the pages of training and of plans, checked."""

from rlhf.forms.best_of import BestOfForm
from rlhf.forms.chats import MessageForm
from rlhf.forms.pair_plans import ChoiceForm, EntrantForm, MeetingForm
from rlhf.forms.planner import PlannerForm, StopRuleForm
from rlhf.forms.policy_runs import GENERATORS, PPOForm, PriceForm
from rlhf.forms.rounds import DecisionForm, StartForm
from rlhf.forms.sft_runs import TUNINGS, TeachForm

__all__ = [
    "GENERATORS",
    "TUNINGS",
    "BestOfForm",
    "ChoiceForm",
    "DecisionForm",
    "EntrantForm",
    "MeetingForm",
    "MessageForm",
    "PPOForm",
    "PlannerForm",
    "PriceForm",
    "StartForm",
    "StopRuleForm",
    "TeachForm",
]
