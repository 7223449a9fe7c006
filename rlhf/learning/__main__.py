"""A PPO run in a directory: python -m rlhf.learning DIRECTORY.

Reads config.json and data.jsonl, writes metrics.jsonl, samples.jsonl, checkpoints/ and result/.
Started again after a stop or a kill, it goes on where the newest checkpoint was made.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer
from transformers.utils import logging

from rewardmodel.learning.processes import ALONE
from rewardmodel.learning.program import run_to_end, say
from rewardmodel.learning.rundirectory import EXIT_FAILED, RunDirectory, Stopped, write_json
from rlhf.learning import evaluation
from rlhf.learning.inputs import (
    Prompts,
    Start,
    generator_for,
    policy_for,
    read_prompts,
    reminder_for,
    scorer_for,
    settings,
)
from rlhf.learning.learner import Learner
from rlhf.learning.ppo import World, train
from rlhf.learning.rollouts import PolicyGenerator, Score, generate, seeds_for
from rlhf.learning.settings import PPOTraining

LOOKED_AT = 4  # prompts whose answers are kept as the policy changes
LOOKS = 999_979  # numbers the seeds of those answers


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
        reminder = reminder_for(directory, config, tokenizer, ALONE)
        score = scorer_for(start, tokenizer)
        say(f"{len(prompts.train)} prompts to train on, {len(prompts.test)} to test on.")

        policy = policy_for(start, config)
        generator = generator_for(start, config, policy, tokenizer, prompts)
        learner = Learner(config, policy)
        world = World(tokenizer, generator, score, prompts.train, reminder)
        before = score_of_parent(directory, start, config, generator, score, prompts)
        resume(directory, learner)

    for metrics in train(config, learner, world):
        directory.report(metrics)
        say("Update {step} of {steps}: score {score:.3f}, KL {kl:.2f} nats.".format(**metrics))
        last = learner.update == config.updates or learner.ended
        if learner.update % config.samples_every == 0 or last:
            look(directory, config, generator, prompts, learner.update)
        stopping = directory.stop_requested
        if learner.update % config.checkpoint_every == 0 or stopping or learner.ended:
            with directory.checkpoint(learner.update) as folder:
                learner.save(folder)
        if stopping:
            raise Stopped
    if learner.ended:
        say(f"Ended before its last update. {learner.ended}")

    with directory.stopping_at_once(), learner.averaged():
        generator.sync(policy)
        finish(directory, start, config, learner, world, prompts, before)


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
    world: World,
    prompts: Prompts,
    before: evaluation.Scored,
) -> None:
    """Compare the new policy with its parent, and write it with the figures."""
    answers = answers_to_test(start, config, world.generator, prompts)
    after = evaluation.scored(prompts.test, answers, world.score)
    gained = evaluation.gain(before, after)
    figures = {
        **gained.figures(),
        "kl": evaluation.divergence(learner.policy, world.tokenizer, prompts.test, answers, config),
        "length_before": before.length,
        "length_after": after.length,
        "eos_rate_before": before.eos_rate,
        "eos_rate_after": after.eos_rate,
        "test_samples": start.test_samples,
        "train_prompts": len(prompts.train),
        "prompts_left_out": prompts.left_out,
        "updates": learner.update,
        "skipped_steps": learner.skipped,
        "ended_early": learner.ended,
    }
    with directory.result(figures) as folder:
        learner.policy.save_model(folder, start.model)
    say(f"Gained {gained.reward_gain:.3f} with a standard error of {gained.reward_gain_se:.3f}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
