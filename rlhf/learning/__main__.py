"""A PPO run in a directory: python -m rlhf.learning DIRECTORY.

Or by several processes: torchrun --standalone --nproc-per-node 4 -m rlhf.learning DIRECTORY.

Reads config.json and data.jsonl, writes metrics.jsonl, samples.jsonl, checkpoints/ and result/.
Started again after a stop or a kill, it goes on where the newest checkpoint was made.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoTokenizer
from transformers.utils import logging

from rewardmodel.learning.events import Events
from rewardmodel.learning.processes import ALONE, Crew, leave, run_together
from rewardmodel.learning.program import say, silence
from rewardmodel.learning.rundirectory import EXIT_FAILED, RunDirectory, Stopped, write_json
from rlhf.generation.protocol import Generated
from rlhf.learning import evaluation
from rlhf.learning.best import Best, Validated
from rlhf.learning.inputs import (
    Prompts,
    Start,
    check_it_fits,
    generator_for,
    held_out_scorer_for,
    policy_for,
    read_prompts,
    reminder_for,
    scorer_for,
    settings,
)
from rlhf.learning.learner import Learner
from rlhf.learning.ppo import World, train
from rlhf.learning.rollouts import Conversation, Score, generate, seeds_for
from rlhf.learning.samples import keep_samples
from rlhf.learning.settings import PPOTraining
from rlhf.learning.sharding import check_launch, layout_of
from rlhf.learning.steering import changes

LOOKED_AT = 4  # prompts whose answers are kept as the policy changes
LOOKS = 999_979  # numbers the seeds of those answers
VALIDATION_SAMPLES = 2  # answers to each prompt that the best policy is chosen by


def main(arguments: Sequence[str]) -> int:
    """Run in a directory and return the exit code."""
    if len(arguments) != 1:
        print("Usage: python -m rlhf.learning DIRECTORY", file=sys.stderr)
        return EXIT_FAILED
    return run_together(Path(arguments[0]), run)


def run(directory: RunDirectory, crew: Crew = ALONE) -> None:
    """Train from the beginning or from the newest checkpoint until the result is there.

    Raises:
        Stopped: SIGTERM came; everything needed to go on is saved.
        ValueError: the settings or the data can't be used; a sentence says why.
    """
    logging.disable_progress_bar()  # a log is read line by line
    first = crew.rank == 0
    with directory.stopping_at_once(), silence(not first):
        task = prepared(directory, crew)
        config, learner = task.config, task.learner
        policy, generator = learner.policy, task.world.generator
        with learner.layout.whole():
            before = scores_of_parent(task) if first else None
        resume(learner, directory.newest_checkpoint())
        learner.steer(crew.told(changes(directory)))

    events = Events(directory.path, learner.update) if first else None
    if first:
        directory.rewind(learner.update)
    for metrics in train(config, learner, task.world):
        metrics["steered"] = learner.steered
        learner.steer(crew.told(changes(directory)))
        with learner.layout.whole():
            if events is not None:
                tell(task, metrics, events)
        if due := learner.update % config.checkpoint_every == 0 or bool(learner.ended):
            save(task)
        if crew.any(directory.stop_requested):
            if not due:
                save(task)
            raise Stopped

    with directory.stopping_at_once(), learner.averaged(), learner.layout.whole():
        if before is not None:
            chosen = choose(task)
            generator.sync(policy)
            finish(task, before, chosen)
    crew.any(False)  # the others wait here, so that all end together


@dataclass(frozen=True)
class Task:
    """All that the process needs which measures and writes."""

    directory: RunDirectory
    start: Start
    config: PPOTraining
    prompts: Prompts
    learner: Learner
    world: World
    best: Best
    held_out: Score | None  # of the reward model that is not followed


@dataclass(frozen=True)
class Opinions:
    """What the same answers are worth to the reward model followed, and to the one that is not."""

    followed: evaluation.Scored
    held_out: evaluation.Scored | None


def prepared(directory: RunDirectory, crew: Crew) -> Task:
    """Everything checked and loaded, at the beginning of the run."""
    start, config = settings(directory.config())
    check_launch(config, start.generator, crew.size)
    tokenizer = AutoTokenizer.from_pretrained(start.model)
    prompts = read_prompts(directory, start, config, tokenizer)
    check_it_fits(start, config, prompts)
    reminder = reminder_for(directory, config, tokenizer, crew)
    score = scorer_for(start, tokenizer)
    held_out = held_out_scorer_for(start, tokenizer)
    say(f"{len(prompts.train)} prompts to train on, {len(prompts.test)} to test on.")

    policy = policy_for(start, config)
    handed = directory.path / "adapters" / str(crew.rank)
    generator = generator_for(start, config, policy, tokenizer, prompts, handed)
    learner = Learner(config, policy, crew, layout_of(policy, crew))
    world = World(tokenizer, generator, score, prompts.train, reminder)
    return Task(directory, start, config, prompts, learner, world, Best(directory), held_out)


def tell(task: Task, metrics: dict[str, float], events: Events) -> None:
    """Write down an update, what the policy says after it, and what is needed to go on."""
    config, learner = task.config, task.learner
    last = learner.update == config.updates or bool(learner.ended)
    if task.prompts.validation and (learner.update % config.validate_every == 0 or last):
        validated = validate(task)
        task.best.consider(validated, learner.policy)
        metrics["validation_score"] = validated.score
    task.directory.report(metrics)
    events.add(metrics)
    say("Update {step} of {steps}: score {score:.3f}, KL {kl:.2f} nats.".format(**metrics))
    if learner.update % config.samples_every == 0 or last:
        look(task)
    if learner.ended:
        say(f"Ended before its last update. {learner.ended}")


def save(task: Task) -> None:
    """Write down all that the next update needs; every process gives its part of it."""
    if task.learner.crew.rank:
        task.learner.save(None)
        return
    with task.directory.checkpoint(task.learner.update) as folder:
        task.learner.save(folder)


def scores_of_parent(task: Task) -> Opinions:
    """What the parent's answers to the test prompts are worth; measured once, then remembered."""
    remembered = task.directory.path / "before.json"
    if remembered.exists():
        told = json.loads(remembered.read_text(encoding="utf-8"))
        held_out = told.pop("held_out", None)
        return Opinions(
            evaluation.Scored(**told), evaluation.Scored(**held_out) if held_out else None
        )
    before = opinions_on(task, answers_to(task, task.prompts.test, task.start.test_samples))
    look(task)
    held_out = vars(before.held_out) if before.held_out else None
    write_json(remembered, {**vars(before.followed), "held_out": held_out})
    say(f"The parent's answers to the test prompts score {before.followed.reward:.3f} on average.")
    return before


def opinions_on(task: Task, answers: list[Generated]) -> Opinions:
    """What answers to the test prompts are worth."""
    prompts = task.prompts.test
    return Opinions(
        evaluation.scored(prompts, answers, task.world.score),
        evaluation.scored(prompts, answers, task.held_out) if task.held_out else None,
    )


def answers_to(task: Task, prompts: Sequence[Conversation], samples: int) -> list[Generated]:
    """The generator's answers to held-out prompts, asked the same way every time."""
    config = task.config
    return evaluation.answers_to(
        task.world.generator,
        prompts,
        samples,
        config.max_response_tokens,
        config.temperature,
        config.seed,
    )


def resume(learner: Learner, checkpoint: Path | None) -> None:
    """Go on from a checkpoint, if there is one."""
    if checkpoint is not None:
        learner.load(checkpoint)
        say(f"Going on after update {learner.update}.")


def look(task: Task) -> None:
    """Keep the present answers to the same few prompts, with the same seeds every time."""
    config, prompts = task.config, task.prompts
    some = prompts.test[:LOOKED_AT]
    seeds = seeds_for(config.seed, LOOKS, len(some))
    answers = generate(
        task.world.generator, some, seeds, config.max_response_tokens, config.temperature
    )
    keep_samples(task.directory, task.learner.update, prompts.test_ids[:LOOKED_AT], answers)


def validate(task: Task) -> Validated:
    """What the present policy, or its average where that is the result, is worth."""
    learner, generator = task.learner, task.world.generator
    with learner.averaged():
        if learner.average:
            generator.sync(learner.policy)
        answers = answers_to(task, task.prompts.validation, VALIDATION_SAMPLES)
    if learner.average:
        generator.sync(learner.policy)
    scored = evaluation.scored(task.prompts.validation, answers, task.world.score)
    return Validated(learner.update, scored.scores)


def choose(task: Task) -> int:
    """Give the policy its best weights; returns the update after which it had them.

    They are the last ones unless earlier ones did clearly better.
    """
    update = task.learner.update
    kept = task.best.kept()
    if kept is None or kept.update == update:
        return update
    last = task.best.latest or validate(task)
    better = task.best.better_than(last)
    if better is None:
        return update
    task.best.put_back(task.learner.policy)
    say(
        f"The policy after update {better.update} is the result: on prompts kept from training it "
        f"scored {better.score:.3f}, the last one {last.score:.3f}."
    )
    return better.update


def finish(task: Task, before: Opinions, chosen: int) -> None:
    """Compare the new policy with its parent, and write it with the figures."""
    config, prompts, learner, world = task.config, task.prompts, task.learner, task.world
    answers = answers_to(task, prompts.test, task.start.test_samples)
    after = opinions_on(task, answers)
    gained = evaluation.gain(before.followed, after.followed)
    figures = {
        **gained.figures(),
        "kl": evaluation.divergence(learner.policy, world.tokenizer, prompts.test, answers, config),
        "length_before": before.followed.length,
        "length_after": after.followed.length,
        "eos_rate_before": before.followed.eos_rate,
        "eos_rate_after": after.followed.eos_rate,
        "test_samples": task.start.test_samples,
        "train_prompts": len(prompts.train),
        "prompts_left_out": prompts.left_out,
        "updates": learner.update,
        "result_of_update": chosen,
        "skipped_steps": learner.skipped,
        "ended_early": learner.ended,
    }
    if before.held_out and after.held_out:
        figures["held_out"] = evaluation.gain(before.held_out, after.held_out).figures()
    with task.directory.result(figures) as folder:
        learner.policy.save_model(folder, task.start.model)
    say(f"Gained {gained.reward_gain:.3f} with a standard error of {gained.reward_gain_se:.3f}.")


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
