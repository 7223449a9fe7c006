"""A PPO run in a directory: python -m rlhf.learning DIRECTORY.

Reads config.json and data.jsonl, writes metrics.jsonl, samples.jsonl, checkpoints/ and result/.
Started again after a stop or a kill, it goes on where the newest checkpoint was made.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging

from rewardmodel.learning.program import run_to_end, say
from rewardmodel.learning.rundirectory import EXIT_FAILED, RunDirectory, Stopped, write_json
from rlhf.generation.prompts import encode
from rlhf.learning import evaluation
from rlhf.learning.policy import Policy
from rlhf.learning.ppo import Learner, PPOTraining, train
from rlhf.learning.rollouts import Conversation, PolicyGenerator, Score, generate, seeds_for

LOOKED_AT = 4  # prompts whose answers are kept as the policy changes
LOOKS = 999_979  # numbers the seeds of those answers


@dataclass(frozen=True)
class Start:
    """The part of config.json that is not about the algorithm."""

    model: Path  # folder of the parent policy
    reward_model: Path  # folder of the scorer's artifact
    generator: Literal["vllm", "transformers"] = "vllm"
    test_samples: int = 4  # answers per test prompt before and after; more make the gain surer

    def __post_init__(self) -> None:
        if self.generator not in ("vllm", "transformers"):
            raise ValueError(f"generator={self.generator!r} must be 'vllm' or 'transformers'.")
        if self.test_samples < 1:
            raise ValueError(f"test_samples={self.test_samples} must be at least 1.")


@dataclass(frozen=True)
class Prompts:
    """The conversations of a run, by what they are for."""

    train: list[Conversation]
    test: list[Conversation]
    test_ids: list[int]
    left_out: int  # longer than max_prompt_tokens


def main(arguments: Sequence[str]) -> int:
    """Run in a directory and return the exit code."""
    if len(arguments) != 1:
        print("Usage: python -m rlhf.learning DIRECTORY", file=sys.stderr)
        return EXIT_FAILED
    return run_to_end(RunDirectory(Path(arguments[0])), run)


def run(directory: RunDirectory) -> None:
    """Train from the beginning or from the newest checkpoint until the result is there.

    Raises:
        Stopped: SIGTERM came; everything needed to go on is saved.
        ValueError: the settings or the data can't be used; a sentence says why.
    """
    logging.disable_progress_bar()  # a log is read line by line
    with directory.stopping_at_once():
        start, config = settings(directory.config())
        tokenizer = AutoTokenizer.from_pretrained(start.model)
        prompts = read_prompts(directory, start, config, tokenizer)
        score = scorer_for(start, tokenizer)
        say(f"{len(prompts.train)} prompts to train on, {len(prompts.test)} to test on.")

        policy = Policy.load(
            start.model, config.tuning, config.lora_rank, config.temperature, config.seed
        )
        generator = generator_for(start, config, policy, tokenizer, prompts)
        learner = Learner(config, policy)
        before = score_of_parent(directory, start, config, generator, score, prompts)
        resume(directory, learner)

    for metrics in train(config, learner, tokenizer, generator, score, prompts.train):
        directory.report(metrics)
        say("Update {step} of {steps}: score {score:.3f}, KL {kl:.2f} nats.".format(**metrics))
        if learner.update % config.samples_every == 0 or learner.update == config.updates:
            look(directory, config, generator, prompts, learner.update)
        stopping = directory.stop_requested
        if learner.update % config.checkpoint_every == 0 or stopping:
            with directory.checkpoint(learner.update) as folder:
                learner.save(folder)
        if stopping:
            raise Stopped

    with directory.stopping_at_once():
        finish(directory, start, config, learner, tokenizer, generator, score, prompts, before)


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
    for needed in ("model", "reward_model"):
        if not Path(config.get(needed, "")).joinpath("config.json").is_file():
            raise ValueError(f"config.json must name a folder with a {needed} in {needed!r}.")
    mine = {f.name: config[f.name] for f in fields(Start) if f.name in config}
    algorithm = {f.name: config[f.name] for f in fields(PPOTraining) if f.name in config}
    paths = {name: Path(config[name]) for name in ("model", "reward_model")}
    try:
        return Start(**mine | paths), PPOTraining(**algorithm)
    except TypeError as error:
        raise ValueError(f"config.json has a setting of a wrong type: {error}.") from error


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
    left_out = 0
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
            kept[split].append((int(row.get("id", number)), conversation))
    if left_out:
        say(f"{left_out} prompts are longer than {config.max_prompt_tokens} tokens: left out.")
    if not kept["train"]:
        raise ValueError("There is no prompt to train on; add rows with the split 'train'.")
    if len(kept["test"]) < 2:
        raise ValueError("There are fewer than 2 prompts to test on; mark rows with 'test'.")
    return Prompts(
        train=[prompt for _, prompt in kept["train"]],
        test=[prompt for _, prompt in kept["test"]],
        test_ids=[number for number, _ in kept["test"]],
        left_out=left_out,
    )


def scorer_for(start: Start, tokenizer: PreTrainedTokenizerBase) -> Score:
    """The reward model as a function.

    Raises:
        ValueError: its tokenizer or template is not the policy's, or padding looks like the end.
    """
    from rewardmodel.learning.artifact import load_scorer  # tests bring scorers of their own

    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise ValueError(
            "The policy's tokenizer pads with its end-of-sequence token, so ends would be "
            "mistaken for padding; give it a padding token of its own."
        )
    scorer = load_scorer(start.reward_model)
    scorer.check_matches(tokenizer)
    return scorer.score


def generator_for(
    start: Start,
    config: PPOTraining,
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Prompts,
) -> PolicyGenerator:
    """The engine that samples."""
    if start.generator == "transformers":
        from rlhf.generation.local import TransformersGenerator

        return TransformersGenerator(policy.causal_lm, tokenizer)
    from rlhf.generation.engine import VllmEngine  # importing vLLM takes seconds

    longest = max(len(encode(tokenizer, prompt)) for prompt in prompts.train + prompts.test)
    return VllmEngine(start.model, max(longest + config.max_response_tokens, 128))


def score_of_parent(
    directory: RunDirectory,
    start: Start,
    config: PPOTraining,
    generator: PolicyGenerator,
    score: Score,
    prompts: Prompts,
) -> evaluation.Scored:
    """What the parent's answers to the test prompts are worth; measured once, then remembered."""
    remembered = directory.path / "before.json"
    if remembered.exists():
        return evaluation.Scored(**json.loads(remembered.read_text(encoding="utf-8")))
    answers = answers_to_test(start, config, generator, prompts)
    before = evaluation.scored(prompts.test, answers, score)
    write_json(remembered, vars(before))
    look(directory, config, generator, prompts, 0)
    say(f"The parent's answers to the test prompts score {before.reward:.3f} on average.")
    return before


def answers_to_test(
    start: Start, config: PPOTraining, generator: PolicyGenerator, prompts: Prompts
) -> list[Any]:
    """The generator's answers to the test prompts, asked the same way every time."""
    return evaluation.answers_to(
        generator,
        prompts.test,
        start.test_samples,
        config.max_response_tokens,
        config.temperature,
        config.seed,
    )


def resume(directory: RunDirectory, learner: Learner) -> None:
    """Go on from the newest checkpoint, if there is one."""
    checkpoint = directory.newest_checkpoint()
    if checkpoint is not None:
        learner.load(checkpoint)
        say(f"Going on after update {learner.update}.")
    directory.rewind(learner.update)


def look(
    directory: RunDirectory,
    config: PPOTraining,
    generator: PolicyGenerator,
    prompts: Prompts,
    step: int,
) -> None:
    """Keep the present answers to the same few prompts, with the same seeds every time."""
    some = prompts.test[:LOOKED_AT]
    seeds = seeds_for(config.seed, LOOKS, len(some))
    answers = generate(generator, some, seeds, config.max_response_tokens, config.temperature)
    with (directory.path / "samples.jsonl").open("a", encoding="utf-8") as file:
        for number, answer in zip(prompts.test_ids, answers, strict=False):
            line = {"step": step, "prompt_id": number, "text": answer.text}
            file.write(json.dumps(line) + "\n")


def finish(
    directory: RunDirectory,
    start: Start,
    config: PPOTraining,
    learner: Learner,
    tokenizer: PreTrainedTokenizerBase,
    generator: PolicyGenerator,
    score: Score,
    prompts: Prompts,
    before: evaluation.Scored,
) -> None:
    """Compare the new policy with its parent, and write it with the figures."""
    answers = answers_to_test(start, config, generator, prompts)
    after = evaluation.scored(prompts.test, answers, score)
    gained = evaluation.gain(before, after)
    figures = {
        **gained.figures(),
        "kl": evaluation.divergence(
            learner.policy, tokenizer, prompts.test, answers, config.minibatch_size
        ),
        "length_before": before.length,
        "length_after": after.length,
        "eos_rate_before": before.eos_rate,
        "eos_rate_after": after.eos_rate,
        "test_samples": start.test_samples,
        "train_prompts": len(prompts.train),
        "prompts_left_out": prompts.left_out,
        "updates": learner.update,
        "skipped_steps": learner.skipped,
    }
    with directory.result(figures) as folder:
        learner.policy.save_model(folder, start.model)
    say(f"Gained {gained.reward_gain:.3f} with a standard error of {gained.reward_gain_se:.3f}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
