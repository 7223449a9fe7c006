"""Kill -9 at any moment costs time and nothing else."""

import json
import random
import signal
from pathlib import Path

import pytest

from rewardmodel.learning.rundirectory import EXIT_DONE
from tests.rlhf.learning.killed import start
from tests.tiny_model import make_tiny_model

SETTINGS = {
    "program": "ppo",
    "generator": "transformers",
    "updates": 4,
    "batch_size": 4,
    "minibatch_size": 2,
    "max_response_tokens": 4,
    "learning_rate": 1e-2,
    "samples_every": 1,
    "validate_every": 1,
    "validation_prompts": 8,
    "test_samples": 1,
    "kl_target": 1.0,
    "scale_scores": True,
    "ema": 0.5,
}
ROWS = [
    {
        "id": number,
        "split": "test" if number < 4 else "train",
        "prompt": [{"role": "user", "content": f"Question {number}?"}],
    }
    for number in range(40)
]
KILLS = 10


def prepared(directory: Path, tiny: Path) -> Path:
    directory.mkdir()
    config = {**SETTINGS, "model": str(tiny), "reward_model": str(tiny)}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return directory


def left_behind(directory: Path) -> dict[str, object]:
    """All that a run tells, but for times."""
    metrics = map(json.loads, (directory / "metrics.jsonl").read_text().splitlines())
    return {
        "curve": [{k: v for k, v in row.items() if "second" not in k} for row in metrics],
        "samples": (directory / "samples.jsonl").read_text(),
        "figures": (directory / "result" / "result.json").read_text(),
        "weights": (directory / "result" / "model.safetensors").read_bytes(),
    }


@pytest.mark.slow
def test_a_run_killed_at_ten_random_moments_ends_as_if_it_had_not_been(tmp_path):
    tiny = make_tiny_model(tmp_path / "tiny")
    whole = prepared(tmp_path / "whole", tiny)
    assert start(whole) == EXIT_DONE
    expected = left_behind(whole)
    calls = int((whole / "calls").read_text())

    chance = random.Random(0)
    kills = lives = 0
    while kills < KILLS:  # a run may be over before it was killed ten times: then the next one
        lives += 1
        killed = prepared(tmp_path / f"killed-{lives}", tiny)
        code = -signal.SIGKILL
        while code == -signal.SIGKILL:
            code = start(killed, chance.randrange(1, calls // 2) if kills < KILLS else 0)
            kills += code == -signal.SIGKILL
        assert code == EXIT_DONE
        assert left_behind(killed) == expected
