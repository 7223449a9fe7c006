"""The best policy of a run, by its answers to prompts that it does not learn from.

A run that is left alone may learn for a while and then fall apart. Those prompts are kept from
training and are not the test prompts either, so that choosing by them flatters no figure.
"""

import json
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

import torch
from safetensors.torch import load_file, save_file

from rewardmodel.learning.rundirectory import RunDirectory, whole_folder, write_json
from rlhf.learning.adapters import weights_changed
from rlhf.learning.policy import Policy

# Standard errors by which an earlier policy must be ahead of the last one to be the result. The
# differences between neighbours are smaller than their noise, and choosing the highest number would
# mostly choose luck; what goes wrong in a run is larger.
CLEARLY = 2.0


@dataclass(frozen=True)
class Validated:
    """What a policy's answers to the validation prompts are worth."""

    update: int  # after which it was
    scores: list[float]  # mean score of a prompt's answers, one a prompt

    @property
    def score(self) -> float:
        """Mean over the prompts."""
        return fmean(self.scores)

    def clearly_above(self, other: "Validated") -> bool:
        """Whether the scores are higher than another policy's, prompt by prompt, beyond chance."""
        gains = [mine - theirs for mine, theirs in zip(self.scores, other.scores, strict=True)]
        return fmean(gains) > CLEARLY * stdev(gains) / sqrt(len(gains))


class Best:
    """The weights with the highest validation score so far, on disk."""

    def __init__(self, directory: RunDirectory) -> None:
        self.folder: Path = directory.path / "checkpoints" / "best"  # goes when there is a result
        self.latest: Validated | None = None  # whatever was considered last

    def kept(self) -> Validated | None:
        """What the kept weights are worth; None while there are none."""
        path = self.folder / "scores.json"
        if not path.exists():
            return None
        return Validated(**json.loads(path.read_text(encoding="utf-8")))

    def consider(self, validated: Validated, policy: Policy) -> None:
        """Keep a policy's trained weights if none did better before."""
        self.latest = validated
        before = self.kept()
        if before is None or validated.score > before.score:
            weights = {str(n): w.detach() for n, w in enumerate(policy.trunk_parameters())}
            with whole_folder(self.folder) as folder:
                save_file(weights, folder / "weights.safetensors")
                write_json(folder / "scores.json", asdict(validated))

    def better_than(self, last: Validated) -> Validated | None:
        """What is kept, if it is clearly better than the last policy."""
        kept = self.kept()
        return kept if kept is not None and kept.clearly_above(last) else None

    @torch.no_grad()
    def put_back(self, policy: Policy) -> None:
        """Let a policy have the kept weights."""
        weights = load_file(self.folder / "weights.safetensors")
        for number, weight in enumerate(policy.trunk_parameters()):
            weight.copy_(weights[str(number)])
        weights_changed(policy)
