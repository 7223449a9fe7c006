from rlhf.models.best_of import BestOfRun, BestOfRunMetric
from rlhf.models.generations import ResponseRequest
from rlhf.models.policy_runs import PolicyRun, PolicyRunMetric, Promotion, ServingSlot, Steering
from rlhf.models.rounds import Round
from rlhf.models.sft_runs import SFTRun, SFTRunMetric

__all__ = [
    "BestOfRun",
    "BestOfRunMetric",
    "PolicyRun",
    "PolicyRunMetric",
    "Promotion",
    "ResponseRequest",
    "Round",
    "SFTRun",
    "SFTRunMetric",
    "ServingSlot",
    "Steering",
]
