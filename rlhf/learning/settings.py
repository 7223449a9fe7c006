"""What may be chosen about the training of a policy, checked before anything is computed."""

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from rlhf.learning.kl import AdaptiveKL, FixedKL, KLController

Mode = Literal["default", "reference", "fast"]

# "The N+ Implementation Details of RLHF with PPO" (arXiv:2403.17031) and its code, but for the
# batch of 512, which is the machine's business. AdamW has its usual decay of 0.01 there.
REFERENCE: dict[str, Any] = {
    "tuning": "full",
    "critic": "separate",
    "value_start": "reward_model",
    "epochs": 4,
    "temperature": 0.7,
    "learning_rate": 3e-6,
    "value_learning_rate": 3e-6,
    "anneal_to": 0.0,
    "weight_decay": 0.01,
    "max_grad_norm": 0.0,
    "value_coef": 0.1,
    "lam": 0.95,
    "kl_coef": 0.05,
    "stop_kl": 0.0,
    "missing_eos": "replace",
    "missing_eos_penalty": 1.0,
    "score_after_end": True,
}
# Most of a small machine's time goes into layers that hardly change: leave them as they are.
FAST: dict[str, Any] = {"tuning": "top", "learning_rate": 2e-5}
MODES: dict[Mode, dict[str, Any]] = {"default": {}, "reference": REFERENCE, "fast": FAST}


@dataclass(frozen=True)
class PPOTraining:
    """How a policy is improved. The defaults hold for SmolLM2-135M on two CPU cores."""

    algorithm: Literal["ppo", "rloo", "dpo"] = "ppo"  # what is learned from the same answers
    updates: int = 10  # rounds of sampling and training
    batch_size: int = 64  # answers sampled per update
    minibatch_size: int = 8  # answers per optimiser step; few, for more steps from each batch
    answers_per_prompt: int = 1  # answers to one prompt in an update; rloo and dpo compare them
    tokens_per_pass: int = 4096  # in memory at once; changes speed and memory, no result
    epochs: int = 1  # passes over each batch; new answers teach more than a second look at old ones
    max_response_tokens: int = 48  # longer answers are cut; scores are of the cut text
    max_prompt_tokens: int = 256  # prompts above it are left out, so that one can't fill memory
    temperature: float = 1.0  # of sampling; other values also apply to every log-probability
    one_step_stale: bool = False  # sample for the next update while this one trains
    importance_cap: float = 0.0  # largest weight that corrects for the engine's weights; 0 none

    tuning: Literal["lora", "full", "top"] = "lora"  # what of the policy learns
    lora_rank: int = 16
    top_layers: int = 4  # that learn when tuning is "top"; those below are computed once
    critic: Literal["shared", "separate"] = "shared"  # a head on the policy, or its own network
    value_start: Literal["zero", "reward_model"] = "zero"  # what the critic expects at first
    critic_warmup: int = 0  # updates at the start in which only the critic learns
    precision: Literal["auto", "bf16", "fp32"] = "auto"  # of matrix products; auto the faster
    learning_rate: float = 5e-4  # of adapters; full fine-tuning needs about a fiftieth
    value_learning_rate: float = 1e-4  # hidden states are long: 3e-3 overshoots in one step
    anneal: bool = True  # lower both rates linearly until the last update
    anneal_to: float = 0.1  # share of the rates that is left at the last update
    weight_decay: float = 0.0  # pull of trained weights towards zero, per unit of rate
    max_grad_norm: float = 1.0  # longer gradients are shortened to it; 0 none are
    ema: float = 0.0  # memory of the average over steps that becomes the result; 0 the last step

    clip: float = 0.2  # furthest useful change of a token's probability ratio
    clip_high: float = 0.0  # the same upwards, where it differs; 0 it does not
    dual_clip: float = 0.0  # largest ratio that counts against a bad token, above 1; 0 any
    value_clip: float = 0.2  # furthest useful change of a value per update, in units of score
    value_coef: float = 0.01  # weight of the critic's loss; to the shared trunk it is mostly noise
    gamma: float = 1.0  # worth of a reward one token later
    lam: float = 1.0  # trust in rewards against the critic; below 1 a new critic hides the score
    stop_kl: float = 0.1  # nats per token from the sampling policy that end the passes; 0 never
    dpo_beta: float = 0.1  # nats that a lead over the reference weighs, in dpo
    pretrain_coef: float = 0.0  # weight of the loss on texts of pretraining.jsonl; 0 none

    kl_coef: float = 0.02  # score given up per nat away from the reference
    kl_target: float = 0.0  # nats per answer to steer to; 0 keeps the coefficient fixed
    kl_horizon: int = 1_000  # episodes in which an adaptive coefficient moves by a fifth
    kl_estimator: Literal["k1", "k2", "k3"] = "k1"  # in the reward, per token

    missing_eos: Literal["subtract", "replace"] = "subtract"  # what the penalty does to the score
    missing_eos_penalty: float = 0.0  # score taken from an answer that was cut, or its negative
    length_penalty: float = 0.0  # score taken for every token of an answer
    score_clip: float = 0.0  # largest score that counts, either way; 0 all
    scale_scores: bool = False  # divide scores by their running standard deviation
    centre_scores: bool = False  # take their running mean off as well
    whiten_rewards: bool = False
    score_after_end: bool = False  # pay one place behind the end token, as the reference does

    stop_at_kl: float = 50.0  # nats per answer at which the whole run ends; 0 never
    stop_at_entropy: float = 0.02  # nats per token below which it ends; 0 never
    stop_at_repetition: float = 0.6  # share of repeated word triples at which it ends; 0 never
    stop_at_growth: float = 4.0  # times the first answers' length at which it ends; 0 never

    checkpoint_every: int = 1  # updates; a kill costs no more than this
    samples_every: int = 3  # updates between two looks at the same few prompts
    validate_every: int = 5  # updates between two scores on prompts kept from training; 0 never
    validation_prompts: int = 16  # that are kept from it, a quarter of all at most
    seed: int = 0

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            if (choices := get_args(kind)) and getattr(self, name) not in choices:
                listed = " or ".join(map(repr, choices))
                raise ValueError(f"{name}={getattr(self, name)!r} must be {listed}.")
        for name in AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        for name in ABOVE_ZERO:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0.")
        for name in NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative.")
        for name in ("gamma", "lam", "anneal_to"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} must lie between 0 and 1.")
        if self.batch_size % self.minibatch_size:
            raise ValueError(
                f"minibatch_size={self.minibatch_size} must divide batch_size={self.batch_size}."
            )
        if self.minibatch_size % self.answers_per_prompt:
            raise ValueError(
                f"answers_per_prompt={self.answers_per_prompt} must divide "
                f"minibatch_size={self.minibatch_size}."
            )
        self._check_what_goes_together()

    def _check_what_goes_together(self) -> None:
        if self.algorithm == "rloo" and self.answers_per_prompt < 2:
            raise ValueError("rloo compares answers to one prompt; set answers_per_prompt to 2.")
        if self.algorithm == "dpo" and self.answers_per_prompt != 2:
            raise ValueError("dpo compares two answers to one prompt; set answers_per_prompt to 2.")
        if self.value_start == "reward_model" and self.critic == "shared":
            raise ValueError(
                "A critic on the policy's trunk can't start from the reward model; set critic to "
                "'separate', or value_start to 'zero' with some critic_warmup."
            )
        if self.critic == "separate" and self.algorithm != "ppo":
            raise ValueError(f"{self.algorithm} has no critic; set critic to 'shared'.")
        if self.critic_warmup >= self.updates:
            raise ValueError(
                f"critic_warmup={self.critic_warmup} must be below updates={self.updates}, or the "
                "policy never learns."
            )
        if self.ema >= 1:
            raise ValueError(f"ema={self.ema} must be below 1.")
        if 0 < self.dual_clip <= 1:
            raise ValueError(f"dual_clip={self.dual_clip} must be above 1, or 0.")

    def rate(self, update: int) -> float:
        """Share of the learning rates that is used in one update.

        It falls in equal steps from 1 to `anneal_to` at the last update; a share of zero would be
        reached one update after the last, as in the reference.
        """
        if not self.anneal:
            return 1.0
        steps = max(self.updates - 1, 1) if self.anneal_to else self.updates
        return 1 - (1 - self.anneal_to) * update / steps

    def controller(self, coefficient: float) -> KLController:
        """What sets the price of divergence, once it stands at a coefficient."""
        if self.kl_target:
            return AdaptiveKL(coefficient, self.kl_target, self.kl_horizon)
        return FixedKL(coefficient)

    @property
    def has_critic(self) -> bool:
        """Whether the algorithm asks what a critic expects."""
        return self.algorithm == "ppo"

    @property
    def asked_after_end(self) -> int:
        """Longest answer behind whose end the critic is asked once more; 0 never."""
        return self.max_response_tokens if self.score_after_end else 0


AT_LEAST_ONE = (
    "updates",
    "batch_size",
    "minibatch_size",
    "answers_per_prompt",
    "tokens_per_pass",
    "epochs",
    "max_response_tokens",
    "max_prompt_tokens",
    "lora_rank",
    "top_layers",
    "checkpoint_every",
    "samples_every",
    "validation_prompts",
)
ABOVE_ZERO = (
    "learning_rate",
    "value_learning_rate",
    "temperature",
    "clip",
    "value_clip",
    "dpo_beta",
    "kl_horizon",
)
NOT_NEGATIVE = (
    "importance_cap",
    "critic_warmup",
    "weight_decay",
    "max_grad_norm",
    "ema",
    "clip_high",
    "dual_clip",
    "value_coef",
    "stop_kl",
    "pretrain_coef",
    "kl_coef",
    "kl_target",
    "missing_eos_penalty",
    "length_penalty",
    "score_clip",
    "stop_at_kl",
    "stop_at_entropy",
    "stop_at_repetition",
    "stop_at_growth",
    "validate_every",
)
