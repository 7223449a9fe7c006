"""TRL's PPOTrainer, for bench/ppo.py; runs in TRL's own environment.

Reads its orders as JSON from standard input: model, prompts (token ids), batch, epochs, tokens (of
an answer), updates. Writes one JSON object as its last line: seconds of each update, and the peak
of the process's memory. The reward model and the critic are the policy's network with a head that
nobody trained: as dear as real ones.
"""

import json
import resource
import sys
import tempfile
import time
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
)
from trl.experimental.ppo import PPOConfig, PPOTrainer


class Clock(TrainerCallback):
    """Seconds from the report of one update to the report of the next."""

    def __init__(self) -> None:
        self.ends = [time.perf_counter()]

    def on_log(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())
        print(f"update {len(self.ends) - 1}", file=sys.stderr, flush=True)


def scorer(model: str, pad: int) -> Any:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(
        model, num_labels=1, dtype=torch.float32, pad_token_id=pad
    )


def main() -> None:
    orders = json.load(sys.stdin)
    model, batch = orders["model"], orders["batch"]
    tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
    pad = tokenizer.pad_token_id
    prompts = (orders["prompts"] * (1 + batch * orders["updates"] // len(orders["prompts"])))[
        : batch * orders["updates"]
    ]
    rows = Dataset.from_list([{"input_ids": prompt} for prompt in prompts])
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        config = PPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,  # PPOTrainer heeds ACCELERATE_MIXED_PRECISION alone
            gradient_checkpointing=False,  # would only be slower
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=1,
            num_mini_batches=1,
            num_ppo_epochs=orders["epochs"],
            total_episodes=batch * orders["updates"],
            local_rollout_forward_batch_size=batch,
            response_length=orders["tokens"],
            stop_token="eos",  # noqa: S106 - a token of the vocabulary
            missing_eos_penalty=1.0,
            num_sample_generations=0,
            report_to="none",
            save_strategy="no",
            eval_strategy="no",
            logging_steps=1,
        )
        trainer = PPOTrainer(
            args=config,
            processing_class=tokenizer,
            model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
            ref_model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
            reward_model=scorer(model, pad),
            value_model=scorer(model, pad),
            train_dataset=rows,
            eval_dataset=rows.select(range(batch)),
            callbacks=[clock],
        )
        clock.ends = [time.perf_counter()]
        trainer.train()
    seconds = [end - start for start, end in zip(clock.ends, clock.ends[1:], strict=False)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    told = {"seconds": seconds[: orders["updates"]], "peak_gib": peak}
    print(json.dumps(told | {"threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
