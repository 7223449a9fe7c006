"""What may be chosen about the training of a reward model."""

import math
from dataclasses import dataclass, field

from rewardmodel.learning.labels import LABELS, STRENGTHS
from rewardmodel.learning.losses import LOSSES
from rewardmodel.learning.model import TRAINABLE
from rewardmodel.learning.precision import PRECISIONS
from rewardmodel.learning.schedules import SCHEDULES

OVERALL = "overall"  # the aspect that is the whole answer

# What each way of learning wants where the run says nothing. A trunk overfits after one epoch
# (Ouyang et al. 2022); a lone head is a convex problem that wants many, and they cost nothing
# because the frozen trunk reads a pair once. The other values: docs/experiments.md.
RECIPES: dict[str, dict[str, float]] = {
    "full": {"epochs": 1, "learning_rate": 2e-5, "trunk_share": 1.0},
    "top": {"epochs": 1, "learning_rate": 5e-5, "trunk_share": 1.0},
    "lora": {"epochs": 1, "learning_rate": 2e-4, "trunk_share": 1.0},
    "head": {"epochs": 15, "learning_rate": 0.01, "trunk_share": 0.7},
}


@dataclass(frozen=True)
class RewardTraining:
    """What may be chosen about the training of a reward model."""

    trainable: str = "head"  # which parameters learn: full, top, lora or head
    top_layers: int = 8  # layers that learn when trainable is "top"
    lora_rank: int = 16  # of the matrices when trainable is "lora"
    # a head for each aspect, by name, with its weight in the score; "overall" is the whole answer
    aspects: dict[str, float] = field(default_factory=dict)
    heads: int = 1  # that score; from two on, how far they differ tells how unsure the model is
    trunk_share: float = 0.0  # share of the layers that is used, from the first; 0: see RECIPES
    epochs: int = 0  # passes over the pairs; 0: see RECIPES
    learning_rate: float = 0.0  # highest, after the warm-up; 0: see RECIPES
    ridge: float = 300.0  # pull of a lone head towards zero: 1 / variance of its weights' prior
    max_length: int = 512  # tokens of prompt and response; a longer prompt loses its beginning
    batch_size: int = 32  # pairs per step, a ranking with all its pairs counted as one
    tokens_per_pass: int = 2048  # tokens in memory at once; changes speed and memory, no result
    schedule: str = "cosine"  # cosine and linear fall to a tenth, constant stays
    warmup: float = 0.05  # share of the steps in which the learning rate rises
    max_grad_norm: float = 1.0  # longer gradients are shortened to this
    loss: str = "bradley-terry"  # or davidson or rao-kupper, which learn from ties too
    # shares of votes; majority; posterior, with one flip rate estimated from the votes; or
    # labelers, with the skill and the side bias of each estimated from theirs
    labels: str = "shares"
    label_smoothing: float = 0.0  # share of labels believed to be flipped
    margin_scale: float = 0.0  # by how much scores should differ at full strength; 0 ignores it
    strengths: str = "as said"  # or calibrated: each labeler's by its rank among their own
    centring: float = 0.01  # pull of the two scores of a pair towards zero (Eisenstein et al.)
    max_skipped: int = 5  # steps with a loss or gradient that is not finite before giving up
    evaluate_every: int = 20  # steps between looks at held-out pairs; 0 never
    evaluation_pairs: int = 48  # held-out pairs looked at then; the final figure uses all
    checkpoint_every: int = 10  # steps that a kill can cost at most
    min_train_pairs: int = 50  # fewer teach nothing that can be told from chance
    min_test_pairs: int = 10  # fewer measure nothing
    precision: str = "auto"  # bf16, fp32, or auto: bf16 where the processor multiplies in it
    packing: bool = True  # compute a prompt once for both responses; same scores, less work
    seed: int = 0  # of the head, of LoRA, and of the order of the pairs

    @property
    def head_names(self) -> list[str]:
        """What each head is asked about."""
        return [*self.aspects] or [OVERALL] * self.heads

    def __post_init__(self) -> None:
        """Fill in the recipe and check everything."""
        _check_choice("trainable", self.trainable, TRAINABLE)
        for name, value in RECIPES[self.trainable].items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)
        _check_choice("loss", self.loss, LOSSES)
        _check_choice("labels", self.labels, LABELS)
        _check_choice("strengths", self.strengths, STRENGTHS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        _check_choice("precision", self.precision, PRECISIONS)
        for name in ("epochs", "batch_size", "tokens_per_pass", "top_layers", "lora_rank", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if not self.learning_rate > 0 or not self.max_grad_norm > 0 or self.ridge < 0:
            raise ValueError("learning_rate and max_grad_norm must be above 0, ridge not below.")
        if not 0 < self.trunk_share <= 1:
            raise ValueError(f"trunk_share is {self.trunk_share}; it must be in (0, 1].")
        if not 0 <= self.label_smoothing < 0.5 or not 0 <= self.warmup < 1:
            raise ValueError("label_smoothing must be in [0, 0.5) and warmup in [0, 1).")
        for name in ("margin_scale", "centring"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        if self.aspects and (self.heads > 1 or min(self.aspects.values()) <= 0):
            raise ValueError("Each aspect has a weight above 0, and one head: set heads to 1.")
        if self.strengths == "calibrated" and not self.margin_scale:
            raise ValueError("Calibrated strengths need a margin_scale above 0 to be learned.")
        if self.max_length < 64:
            raise ValueError(f"max_length is {self.max_length}; it must be at least 64 tokens.")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(choices)}.")
