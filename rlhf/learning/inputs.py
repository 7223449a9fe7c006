"""What a run is given, read and checked before anything is computed."""

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from transformers import AutoConfig, PreTrainedTokenizerBase

from rewardmodel.learning.devices import own_device
from rewardmodel.learning.processes import Crew
from rewardmodel.learning.program import say
from rewardmodel.learning.rundirectory import RunDirectory
from rewardmodel.learning.sharding import launch
from rlhf.generation.prompts import encode
from rlhf.learning.critic import Critic
from rlhf.learning.memory import GIB, check_memory, free_memory, memory_on
from rlhf.learning.policy import Policy
from rlhf.learning.pretraining import Reminder
from rlhf.learning.rollouts import Conversation, PolicyGenerator, Score
from rlhf.learning.settings import MODES, Mode, PPOTraining

FEWEST_VALIDATION_PROMPTS = 8  # below, scores on them are mostly noise


@dataclass(frozen=True)
class Start:
    """The part of config.json that is not about the algorithm."""

    model: Path  # folder of the parent policy
    reward_model: Path  # folder of the scorer's artifact
    held_out_model: Path | None = None  # of one that the run does not follow: what it says of it
    mode: Mode = "default"  # the settings that hold where config.json names none
    generator: Literal["vllm", "server", "transformers"] = "vllm"  # vllm: inside this process
    server: str = ""  # addresses of vLLM servers, with commas, where they are the generator
    server_patience: float = 600.0  # seconds in which a server that went away may come back
    top_p: float = 1.0  # probability mass of the tokens that may be drawn; PPO needs all of it
    test_samples: int = 4  # answers per test prompt before and after; more make the gain surer
    memory_gib: float = 0.0  # that the run may take; 0 whatever is free when it begins

    def __post_init__(self) -> None:
        if self.generator not in ("vllm", "server", "transformers"):
            raise ValueError(
                f"generator={self.generator!r} must be 'vllm', 'server' or 'transformers'."
            )
        if (self.generator == "server") != bool(self.servers):
            raise ValueError(
                f"generator={self.generator!r} and server={self.server!r} do not go together: "
                "server holds the addresses of vLLM servers where generator is 'server'."
            )
        if not all(url.startswith(("http://", "https://")) for url in self.servers):
            raise ValueError(f"server={self.server!r} must be addresses like http://host:8000/v1.")
        if not self.server_patience >= 0:
            raise ValueError(f"server_patience={self.server_patience} must not be negative.")
        if self.held_out_model == self.reward_model:
            raise ValueError("held_out_model must be another one than the reward_model followed.")
        if self.mode not in MODES:
            raise ValueError(f"mode={self.mode!r} must be one of {', '.join(MODES)}.")
        if self.top_p != 1:
            raise ValueError(
                f"top_p={self.top_p} must be 1: PPO compares probabilities of the whole "
                "distribution, and those of a cut one would bias every step."
            )
        if not self.memory_gib >= 0:
            raise ValueError(f"memory_gib={self.memory_gib} must not be negative.")
        if self.test_samples < 1:
            raise ValueError(f"test_samples={self.test_samples} must be at least 1.")

    @property
    def servers(self) -> list[str]:
        """The addresses of the servers that answer."""
        return [url.strip() for url in self.server.split(",") if url.strip()]


@dataclass(frozen=True)
class Prompts:
    """The conversations of a run, by what they are for."""

    train: list[Conversation]
    test: list[Conversation]
    test_ids: list[int]
    validation: list[Conversation]  # neither learned from nor tested on; empty where too few
    left_out: int  # longer than max_prompt_tokens
    longest: int  # tokens of the longest of them all


def settings(config: dict[str, Any]) -> tuple[Start, PPOTraining]:
    """Both parts of config.json.

    Raises:
        ValueError: a setting is unknown, missing or out of its range.
    """
    known = {name.name for part in (Start, PPOTraining) for name in fields(part)}
    if config.get("program", "ppo") != "ppo":
        raise ValueError(f"config.json is for the program {config['program']!r}, not for ppo.")
    if unknown := config.keys() - known - {"program"}:
        raise ValueError(f"config.json has settings that PPO does not know: {sorted(unknown)}.")
    folders = ["model", "reward_model"]
    if config.get("held_out_model") is not None:
        folders.append("held_out_model")
    for needed in folders:
        if not Path(config.get(needed, "")).joinpath("config.json").is_file():
            raise ValueError(f"config.json must name a folder with a {needed} in {needed!r}.")
    mine = {f.name: config[f.name] for f in fields(Start) if f.name in config}
    algorithm = {f.name: config[f.name] for f in fields(PPOTraining) if f.name in config}
    paths = {name: Path(config[name]) for name in folders}
    try:
        start = Start(**mine | paths)
        ppo = PPOTraining(**MODES[start.mode] | algorithm)
    except TypeError as error:
        raise ValueError(f"config.json has a setting of a wrong type: {error}.") from error
    if start.generator == "server" and ppo.tuning != "lora":
        raise ValueError(
            f"tuning={ppo.tuning!r} can't be handed to a vLLM server, which takes adapters only; "
            "set tuning to 'lora', or generator to 'vllm'."
        )
    return start, ppo


def read_prompts(
    directory: RunDirectory,
    start: Start,
    config: PPOTraining,
    tokenizer: PreTrainedTokenizerBase,
) -> Prompts:
    """The prompts that fit.

    Raises:
        ValueError: none to train on, fewer than two to test on, or one beyond the context.
    """
    model = AutoConfig.from_pretrained(start.model)
    context = model.max_position_embeddings
    kept: dict[str, list[tuple[int, Conversation]]] = {"train": [], "test": []}
    left_out = longest = 0
    for number, row in directory.rows():
        conversation, split = row.get("prompt"), row.get("split")
        if not conversation or split not in kept:
            raise ValueError(f"data.jsonl line {number} lacks a prompt or its split; mend it.")
        length = len(encode(tokenizer, conversation))
        if length + config.max_response_tokens > context:
            raise ValueError(
                f"The prompt of data.jsonl line {number} has {length} tokens, which with "
                f"{config.max_response_tokens} of an answer exceeds the model's context of "
                f"{context}; shorten it or leave it out."
            )
        if length > config.max_prompt_tokens:
            left_out += 1
        else:
            longest = max(longest, length)
            kept[split].append((int(row.get("id", number)), conversation))
    if left_out:
        say(f"{left_out} prompts are longer than {config.max_prompt_tokens} tokens: left out.")
    if not kept["train"]:
        raise ValueError("There is no prompt to train on; add rows with the split 'train'.")
    if len(kept["test"]) < 2:
        raise ValueError("There are fewer than 2 prompts to test on; mark rows with 'test'.")
    train, validation = apart([prompt for _, prompt in kept["train"]], config)
    return Prompts(
        train=train,
        test=[prompt for _, prompt in kept["test"]],
        test_ids=[number for number, _ in kept["test"]],
        validation=validation,
        left_out=left_out,
        longest=longest,
    )


def apart(
    prompts: list[Conversation], config: PPOTraining
) -> tuple[list[Conversation], list[Conversation]]:
    """Prompts to learn from, and some to choose the best policy by, from all parts of the list."""
    count = min(config.validation_prompts, len(prompts) // 4)
    if not config.validate_every or count < FEWEST_VALIDATION_PROMPTS:
        return prompts, []
    chosen = {number * len(prompts) // count for number in range(count)}
    return (
        [prompt for number, prompt in enumerate(prompts) if number not in chosen],
        [prompts[number] for number in sorted(chosen)],
    )


def check_it_fits(start: Start, config: PPOTraining, prompts: Prompts) -> None:
    """Say how much memory the run will take.

    Raises:
        ValueError: that is more than it may take.
    """
    device = own_device()
    # Processes of this run on this machine share its memory; each has a GPU of its own.
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if device.type == "cpu" else 1
    free = start.memory_gib * GIB or free_memory(device) / beside
    longest = prompts.longest + config.max_response_tokens
    vllm = start.generator == "vllm"
    needed = check_memory(
        start.model,
        start.reward_model,
        config,
        longest,
        free,
        vllm=vllm,
        pieces=launch.pieces(),
        stepped_apart=launch.cuts_weights_twice(),
        held_out=start.held_out_model,
        device=device,
    )
    say(
        f"It will take about {needed / GIB:.1f} GiB of {memory_on(device)}; "
        f"{free / GIB:.1f} may be taken."
    )


def scorer_for(start: Start, tokenizer: PreTrainedTokenizerBase) -> Score:
    """The reward model as a function, on this process's device.

    Raises:
        ValueError: its tokenizer or template is not the policy's, or padding looks like the end.
    """
    from rewardmodel.learning.artifact import load_scorer  # tests bring scorers of their own

    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise ValueError(
            "The policy's tokenizer pads with its end-of-sequence token, so ends would be "
            "mistaken for padding; give it a padding token of its own."
        )
    scorer = load_scorer(start.reward_model, own_device())
    scorer.check_matches(tokenizer)
    return scorer.score


def held_out_scorer_for(start: Start, tokenizer: PreTrainedTokenizerBase) -> Score | None:
    """The reward model that the run does not follow, as a function; None where none is named.

    It is asked before the first update and after the last, and takes no memory in between: each
    call loads it.

    Raises:
        ValueError: its tokenizer or template is not the policy's.
    """
    from rewardmodel.learning.artifact import load_scorer  # tests bring scorers of their own

    folder = start.held_out_model
    if folder is None:
        return None
    device = own_device()
    try:
        load_scorer(folder).check_matches(tokenizer)
    except ValueError as error:
        raise ValueError(f"held_out_model does not fit: {error}") from error
    return lambda conversations, responses: load_scorer(folder, device).score(
        conversations, responses
    )


def policy_for(start: Start, config: PPOTraining) -> Policy:
    """The parent as a policy in training, with its critic, on this process's device."""
    critic = None
    if config.critic == "separate" and config.value_start == "reward_model":
        critic = Critic.of_reward_model(start.reward_model)
    elif config.critic == "separate":
        from transformers import AutoModelForCausalLM

        critic = Critic.new(AutoModelForCausalLM.from_pretrained(start.model, dtype="float32"))
    return Policy.load(
        start.model,
        config.tuning,
        config.lora_rank,
        config.temperature,
        config.seed,
        top_layers=config.top_layers,
        critic=critic,
        precision=config.precision,
        device=own_device(),
    )


def generator_for(
    start: Start,
    config: PPOTraining,
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Prompts,
    folder: Path,
) -> PolicyGenerator:
    """The engine that samples.

    Args:
        start, config, policy, tokenizer, prompts: of the run.
        folder: in which this process may hand adapters to servers.

    Raises:
        ValueError: the engine has no weights of its own but is to sample while they are trained,
            or a server can't follow the policy.
        ServerDown: a server does not answer.
        WeightsDiffer: a server has another model.
    """
    if start.generator == "transformers":
        from rlhf.generation.local import TransformersGenerator

        if config.one_step_stale:
            raise ValueError(
                "one_step_stale needs an engine with weights of its own; set generator to vllm."
            )
        return TransformersGenerator(policy.causal_lm, tokenizer)
    longest = max(prompts.longest + config.max_response_tokens, 128)
    if start.generator == "server":
        from rlhf.generation.followers import Followers

        followers = Followers(
            start.servers,
            start.model,
            longest,
            folder,
            api_key=os.environ.get("VLLM_API_KEY", ""),
            patience=start.server_patience,
        )
        followers.sync(policy)  # the first answers are the parent's
        return followers
    from rlhf.generation.engine import VllmEngine  # importing vLLM takes seconds

    return VllmEngine(start.model, longest)


def reminder_for(
    directory: RunDirectory, config: PPOTraining, tokenizer: PreTrainedTokenizerBase, crew: Crew
) -> Reminder | None:
    """The texts of pretraining.jsonl, where they are to be kept in mind.

    Raises:
        ValueError: they are, and are not there.
    """
    if not config.pretrain_coef:
        return None
    path = directory.path / "pretraining.jsonl"
    if not path.exists():
        raise ValueError(
            f"pretrain_coef={config.pretrain_coef} needs texts in pretraining.jsonl, one "
            '{"text": ...} a line; write them or set it to 0.'
        )
    lines = path.read_text(encoding="utf-8").splitlines()
    texts = [str(json.loads(line).get("text", "")) for line in lines if line.strip()]
    longest = config.max_prompt_tokens
    return Reminder(
        texts, tokenizer, config.pretrain_coef, config.minibatch_size, longest, config.seed, crew
    )
