"""`python -m rlhf.learning.sft DIRECTORY`: fine-tune the model that a run directory asks for.

Or by several processes: accelerate launch --multi_gpu --num_processes 4 -m rlhf.learning.sft .

Reads config.json and data.jsonl, writes metrics.jsonl, samples.jsonl, checkpoints/ and result/.
Exit codes: 0 the result is there; 75 stopped by SIGTERM, the same command goes on; 1 refused or
failed, the last line of the log says why in one sentence.
"""

import json
import math
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging

from rewardmodel.learning.conversations import Chat
from rewardmodel.learning.devices import own_device
from rewardmodel.learning.events import Events
from rewardmodel.learning.model import model_folder
from rewardmodel.learning.processes import ALONE, Crew, leave, run_together
from rewardmodel.learning.program import algorithm_settings, say, silence
from rewardmodel.learning.rundirectory import EXIT_FAILED, RunDirectory, Stopped, write_json
from rewardmodel.learning.sharding import launch
from rlhf.generation.local import TransformersGenerator
from rlhf.generation.protocol import Sampling
from rlhf.learning.samples import keep_samples
from rlhf.learning.sft.demonstrations import Demonstrations, read_demonstrations
from rlhf.learning.sft.student import Student, layout_of
from rlhf.learning.sft.training import Learner, SFTTraining, mean_loss, train

LOOKED_AT = 4  # prompts whose answers are kept as the model learns
NOT_OF_THE_ALGORITHM = ("program", "model")


def main(arguments: Sequence[str]) -> int:
    """Run in a directory and return the exit code."""
    if len(arguments) != 1:
        print("Usage: python -m rlhf.learning.sft DIRECTORY", file=sys.stderr)
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
        settings = directory.config()
        config = sft_training(settings)
        launch.check_launch(config.tuning, crew.size)
        model = model_folder(settings["model"])
        chat = chat_of(model, config)
        data = read_demonstrations(directory.rows(), chat, config.max_length)
        say(
            f"{len(data.train)} demonstrations to train on, {len(data.test)} to test on, "
            f"{data.left_out} left out as longer than {config.max_length} tokens."
        )
        student = Student.load(
            model,
            config.tuning,
            config.lora_rank,
            config.seed,
            config.packing,
            config.precision,
            own_device(),
        )
        learner = Learner(config, student, len(data.train), crew, layout_of(student, crew))
        with learner.layout.whole():
            before = loss_of_parent(directory, config, learner, chat, data) if first else None
        resume(learner, directory.newest_checkpoint())

    events = Events(directory.path, learner.step) if first else None
    if first:
        directory.rewind(learner.step)
    for metrics in train(config, learner, data.train, data.test):
        last = learner.step == learner.steps
        looking = learner.step % config.samples_every == 0 or last
        if events is not None:
            directory.report(metrics)
            events.add(metrics)
            say("Step {step} of {steps}: loss {loss:.3f} nats a token.".format(**metrics))
        with learner.layout.whole() if looking else nullcontext():
            if looking and first:
                look(directory, config, student, chat, data, learner.step)
        stopping = crew.any(directory.stop_requested)
        if learner.step % config.checkpoint_every == 0 or last or stopping:
            save(directory, learner)
        if stopping:
            raise Stopped

    with directory.stopping_at_once(), learner.layout.whole():
        if before is not None:
            finish(directory, config, learner, data, before, model)
    crew.any(False)  # the others wait here, so that all end together


def save(directory: RunDirectory, learner: Learner) -> None:
    """Write down all that the next step needs; every process gives its part of it."""
    if learner.crew.rank:
        learner.save(None)
        return
    with directory.checkpoint(learner.step) as folder:
        learner.save(folder)


def sft_training(settings: dict[str, Any]) -> SFTTraining:
    """The settings of the algorithm among those of the run.

    Raises:
        ValueError: a setting is missing, unknown, of a wrong type, or outside its range.
    """
    if settings.get("program", "sft") != "sft":
        raise ValueError(f"config.json is for the program {settings['program']!r}, not for sft.")
    return algorithm_settings(SFTTraining, settings, NOT_OF_THE_ALGORITHM)


def chat_of(model: Path, config: SFTTraining) -> Chat:
    """The model's tokenizer and template.

    Raises:
        ValueError: it is no chat model, or its context is shorter than max_length.
    """
    context = AutoConfig.from_pretrained(model).max_position_embeddings
    if config.max_length > context:
        raise ValueError(
            f"max_length is {config.max_length}, and the model reads {context} tokens at most; "
            "lower max_length."
        )
    return Chat(AutoTokenizer.from_pretrained(model))


def loss_of_parent(
    directory: RunDirectory,
    config: SFTTraining,
    learner: Learner,
    chat: Chat,
    data: Demonstrations,
) -> float:
    """What the held-out answers cost the parent; measured once, then remembered."""
    remembered = directory.path / "before.json"
    if remembered.exists():
        return json.loads(remembered.read_text(encoding="utf-8"))["test_loss"]
    directory.rewind(-1)
    before = mean_loss(learner.student, data.test, config.tokens_per_pass)
    watched = data.test[: config.evaluation_rows]
    if watched:
        of_watched = mean_loss(learner.student, watched, config.tokens_per_pass)
        directory.report({"step": 0, "steps": learner.steps, "test_loss": of_watched})
    look(directory, config, learner.student, chat, data, 0)
    write_json(remembered, {"test_loss": before})
    say(f"The held-out answers cost the parent {before:.3f} nats a token.")
    return before


def resume(learner: Learner, checkpoint: Path | None) -> None:
    """Go on from a checkpoint, if there is one."""
    if checkpoint is not None:
        learner.load(checkpoint)
        say(f"Going on after step {learner.step}.")


def look(
    directory: RunDirectory,
    config: SFTTraining,
    student: Student,
    chat: Chat,
    data: Demonstrations,
    step: int,
) -> None:
    """Keep the present answers to the same few prompts, with the same seeds every time."""
    some = data.test[:LOOKED_AT]
    sampling = [
        Sampling(
            temperature=config.temperature,
            max_tokens=config.sample_tokens,
            seed=config.seed * LOOKED_AT + number,
        )
        for number in range(len(some))
    ]
    with student.answering() as model:
        generator = TransformersGenerator(model, chat.tokenizer)
        answers = generator.generate([shown.prompt for shown in some], sampling)
    keep_samples(directory, step, [shown.id for shown in some], answers)


def finish(
    directory: RunDirectory,
    config: SFTTraining,
    learner: Learner,
    data: Demonstrations,
    before: float,
    model: Path,
) -> None:
    """Measure the new model on all that was held out, and write it with the figures."""
    after = mean_loss(learner.student, data.test, config.tokens_per_pass)
    if not math.isfinite(after):
        raise ValueError("The held-out loss is not a finite number; lower learning_rate.")
    figures = {
        "test_loss_before": before,
        "test_loss_after": after,
        "train_demonstrations": len(data.train),
        "test_demonstrations": len(data.test),
        "test_tokens": sum(len(demonstration.answer) for demonstration in data.test),
        "left_out": data.left_out,
        "steps": learner.step,
        "skipped_steps": learner.skipped,
    }
    with directory.result(figures) as folder:
        learner.student.save_model(folder, model)
    say(f"The held-out answers cost {after:.3f} nats a token, {before:.3f} before.")


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
