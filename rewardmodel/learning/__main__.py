"""`python -m rewardmodel.learning DIRECTORY`: train the reward model that a run directory asks for.

Several processes share the work: `torchrun --nproc-per-node 2 -m rewardmodel.learning DIRECTORY`.

Exit codes: 0 the result is there; 75 stopped by SIGTERM, the same command goes on; 1 refused or
failed, the last line of the log says why in one sentence.
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from rewardmodel.learning.artifact import Card, Scorer, load_scorer, save_artifact
from rewardmodel.learning.beside import beside
from rewardmodel.learning.conversations import Chat
from rewardmodel.learning.devices import own_device
from rewardmodel.learning.evaluation import figures, predictions, report, tie_figures
from rewardmodel.learning.labelers import estimated, labeler_figures
from rewardmodel.learning.labels import flip_rate, relabelled
from rewardmodel.learning.learner import Learner
from rewardmodel.learning.learning_curve import curve_report, learning_curve
from rewardmodel.learning.losses import TIE_LOSSES
from rewardmodel.learning.model import RewardModel, load_trunk, model_folder
from rewardmodel.learning.model_card import model_card
from rewardmodel.learning.pairs import Fitting, Pair, fit, read_pairs
from rewardmodel.learning.processes import Crew, leave, run_together
from rewardmodel.learning.program import algorithm_settings, say
from rewardmodel.learning.rundirectory import RunDirectory, Stopped, write_rows, write_text
from rewardmodel.learning.settings import RewardTraining
from rewardmodel.learning.sharding import launch
from rewardmodel.learning.suites import measured
from rewardmodel.learning.training import opinions, train

# program and trunk; where the pairs come from, for the model card; what to compare and measure with
NOT_OF_THE_ALGORITHM = ("program", "model", "about", "beside", "suites")


def main(directory: Path) -> int:
    """Run, or go on with, the training in a directory; the exit code says how it ended."""
    return run_together(directory, _run)


def _run(run: RunDirectory, together: Crew) -> None:
    with run.stopping_at_once():
        settings = run.config()
        config = reward_training(settings)
        check_launch(config, together.size)
        pairs, counted = _labelled(config, read_pairs(run.rows()))
        usable = [pair for pair in pairs if pair.decided or config.loss in TIE_LOSSES]
        check_enough(config, usable)
        folder = model_folder(settings["model"])
        chat = Chat(AutoTokenizer.from_pretrained(folder))
        train_set, test_set = (
            fit([pair for pair in usable if pair.split == split], chat, config.max_length)
            for split in ("train", "test")
        )
        learner = _learner(run, folder, config, chat, train_set, together)

    writes = together.rank == 0
    for metrics in train(config, learner, train_set.examples, test_set.examples):
        step = learner.step
        stopping = together.any(run.stop_requested)
        saving = stopping or step % config.checkpoint_every == 0 or step == learner.steps
        if writes:
            run.report(metrics)
        if saving:
            with run.checkpoint(step) if writes else nullcontext() as checkpoint:
                learner.save(checkpoint)
        if stopping:
            raise Stopped

    with run.stopping_at_once(), learner.layout.whole():
        if not writes:
            return  # one process measures
        counted["undecided_pairs"] = sum(not pair.decided for pair in pairs)
        _finish(run, settings, learner, chat, train_set, test_set, counted)


def _labelled(config: RewardTraining, pairs: list[Pair]) -> tuple[list[Pair], dict[str, float]]:
    """The pairs with the labels that a run learns from, and what was estimated on the way.

    Held-out pairs keep what people said: that stays the measure.
    """
    taught = [pair for pair in pairs if pair.split == "train"]
    learned = relabelled(taught, config.labels, config.strengths)
    counted: dict[str, float] = {}
    if config.labels == "posterior":
        counted["flip_rate"] = flip_rate(taught)
    elif config.labels == "labelers":
        counted |= labeler_figures(estimated(taught))
    return [*learned, *(pair for pair in pairs if pair.split == "test")], counted


def reward_training(settings: dict[str, Any]) -> RewardTraining:
    """The settings of the algorithm among those of the run.

    Raises:
        ValueError: a setting is missing, unknown, or outside its range.
    """
    return algorithm_settings(RewardTraining, settings, NOT_OF_THE_ALGORITHM)


def check_launch(config: RewardTraining, processes: int) -> None:
    """Refuse a way of launching that is not there, or not for these settings.

    Raises:
        ValueError: it is one; the sentence says what to do.
    """
    launch.check_launch(config.trainable, processes)
    if launch.wanted() and config.loss in TIE_LOSSES:
        raise ValueError(
            f"{launch.wanted()} can't cut the one number that loss={config.loss!r} learns about "
            "ties; launch without it, or set loss to 'bradley-terry'."
        )


def check_enough(config: RewardTraining, pairs: list[Pair]) -> None:
    """Refuse to train on less than teaches, or to measure on less than tells.

    Only pairs on which people decided can be measured on, so only those count as test pairs.

    Raises:
        ValueError: with the number of pairs that are missing.
    """
    wanted = {"train": config.min_train_pairs, "test": config.min_test_pairs}
    for split, least in wanted.items():
        present = sum(pair.split == split and (pair.decided or split == "train") for pair in pairs)
        if present < least:
            raise ValueError(
                f"{least - present} more {split} pairs are needed: there are {present} of at "
                f"least {least}; collect more comparisons."
            )


def _learner(
    run: RunDirectory,
    folder: Path,
    config: RewardTraining,
    chat: Chat,
    train_set: Fitting,
    together: Crew,
) -> Learner:
    """A learner at the newest checkpoint, or at the beginning."""
    if not train_set.examples:
        raise ValueError(f"No pair fits into {config.max_length} tokens; raise max_length.")
    torch.manual_seed(config.seed)
    trunk = load_trunk(folder, config.trunk_share)
    model = RewardModel(
        trunk, chat.padding, packing=config.packing, heads=len(config.head_names)
    ).to(own_device())
    learner = Learner(config, model, train_set.examples, together)
    checkpoint = run.newest_checkpoint()
    if checkpoint is not None:
        learner.load(checkpoint)
    if together.rank == 0:
        run.rewind(learner.step)
    say(f"Training on {len(train_set.examples)} pairs from step {learner.step}.")
    return learner


def _finish(
    run: RunDirectory,
    settings: dict[str, Any],
    learner: Learner,
    chat: Chat,
    train_set: Fitting,
    test_set: Fitting,
    counted: dict[str, float],
) -> None:
    """Measure on all held-out pairs and write the result."""
    config, model = learner.config, learner.model
    curve = learning_curve(config, learner, train_set.examples, test_set.examples)
    model.merge()
    held_out = test_set.pairs
    said = opinions(learner, test_set.examples, config).numpy()  # (n, 2, k)
    scores = model.combined(torch.from_numpy(said)).numpy()  # (n, 2)
    found = _figures(learner, scores, train_set, test_set) | counted
    leads = (said[:, 0] - said[:, 1]).T  # (k, n)
    heads = dict(zip(config.aspects, leads, strict=True)) if config.aspects else {}
    found["report"] = report(scores, held_out, found["temperature"], heads) | curve_report(curve)
    if "beside" in settings:
        found["beside"] = {
            "reward_model": settings["beside"]["reward_model"],
            **beside(
                scores, held_out, load_scorer(Path(settings["beside"]["folder"]), own_device())
            ),
        }
    card = _card(config, chat, found, head_means=said.mean((0, 1)).tolist())
    scorer = Scorer(model, chat, card)
    found["suites"] = [
        {"suite": suite["suite"], "name": suite["name"], **measured(Path(suite["file"]), scorer)}
        for suite in settings.get("suites", [])
    ]
    with run.result(found) as folder:
        save_artifact(folder, model, chat, card)
        rows = predictions((scores - card.mean) / card.std, held_out)
        write_rows(folder / "predictions.jsonl", rows)
        write_text(folder / "README.md", model_card(found, config, card, settings.get("about", {})))


def _figures(
    learner: Learner, scores: np.ndarray, train_set: Fitting, test_set: Fitting
) -> dict[str, Any]:
    """What is measured of every model, from its scores of the held-out pairs, (n, 2)."""
    found: dict[str, Any] = dict(figures(scores, train_set.pairs, test_set.pairs))
    if learner.config.loss in TIE_LOSSES:
        tie = learner.model.tie.item()
        found |= tie_figures(scores, train_set.pairs, test_set.pairs, learner.config.loss, tie)
    return found | {
        "truncated_prompts": train_set.truncated_prompts + test_set.truncated_prompts,
        "left_out_pairs": train_set.left_out + test_set.left_out,
        "skipped_steps": learner.skipped,
    }


def _card(
    config: RewardTraining, chat: Chat, found: dict[str, Any], head_means: list[float]
) -> Card:
    return Card(
        mean=found["mean"],
        std=found["std"],
        temperature=found["temperature"],
        max_length=config.max_length,
        precision=config.precision,
        template_hash=chat.template_hash(),
        tokenizer_hash=chat.tokenizer_hash(),
        loss=config.loss,
        tie=found.get("tie_parameter", 0.0),  # only losses about ties have one
        head_means=head_means,
        aspects=config.aspects,
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python -m rewardmodel.learning DIRECTORY")
    leave(main(Path(sys.argv[1])))
