"""TRL's RewardTrainer, for bench/reward.py; runs in TRL's own environment.

Reads its orders as JSON from standard input: model, train (rows with prompt, chosen and rejected as
messages), test (rows held out; may be empty), batch, settings (of RewardConfig, besides those that
every arm needs). Writes one JSON object as its last line: seconds of each step, what the trainer
made of the settings, the peak of the process's memory, and the scores of the held-out pairs.
"""

import json
import resource
import sys
import tempfile
import time
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler, SequentialSampler
from transformers import AutoTokenizer, TrainerCallback
from trl import RewardConfig, RewardTrainer


class Clock(TrainerCallback):
    """Seconds from the end of one step to the end of the next."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.ends = [time.perf_counter()]

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())
        print(f"step {len(self.ends) - 1}", file=sys.stderr, flush=True)


class InOrder(RewardTrainer):
    """The trainer, with the pairs in the order in which they are given: as the other side has."""

    def _get_train_sampler(self, dataset: Any = None) -> Sampler:
        return SequentialSampler(self.train_dataset if dataset is None else dataset)


def main() -> None:
    orders = json.load(sys.stdin)
    tokenizer = AutoTokenizer.from_pretrained(orders["model"])
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        config = RewardConfig(
            output_dir=folder,
            use_cpu=True,
            per_device_train_batch_size=orders["batch"],
            num_train_epochs=1,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            seed=orders.get("seed", 0),
            **orders["settings"],
        )
        trainer = InOrder(
            model=orders["model"],
            args=config,
            train_dataset=Dataset.from_list(orders["train"]),
            processing_class=tokenizer,
            callbacks=[clock],
        )
        trainer.train()
    seconds = [end - start for start, end in zip(clock.ends, clock.ends[1:], strict=False)]
    print(
        json.dumps(
            {
                "seconds": seconds,
                "bf16": config.bf16,
                "gradient_checkpointing": config.gradient_checkpointing,
                "optimizer": str(config.optim),
                "learning_rate": config.learning_rate,
                "weights": str(next(trainer.model.parameters()).dtype),
                "threads": torch.get_num_threads(),
                "GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
                "scores": scores(trainer, tokenizer, orders["test"]),
            }
        )
    )


@torch.no_grad()
def scores(trainer: RewardTrainer, tokenizer: Any, rows: list[dict[str, Any]]) -> list[list[float]]:
    """Of the two responses of each held-out pair, one by one, in the precision of the training."""
    model = trainer.model.eval()
    return [
        [
            model(
                **tokenizer.apply_chat_template(
                    row["prompt"] + row[side], return_dict=True, return_tensors="pt"
                )
            ).logits.item()
            for side in ("chosen", "rejected")
        ]
        for row in rows
    ]


if __name__ == "__main__":
    main()
