"""A trained reward model as one folder that can't be taken for another.

config.json, model.safetensors   the trunk, with what was learned
head.safetensors                 the head, and how the features before it are standardised
reward.json                      mean, standard deviation, temperature, hashes
tokenizer files                  the tokenizer and its chat template
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rewardmodel.learning.batches import Group, passes
from rewardmodel.learning.conversations import Chat, Message
from rewardmodel.learning.devices import CPU
from rewardmodel.learning.model import RewardModel, load_trunk
from rewardmodel.learning.pairs import KEPT_PROMPT
from rewardmodel.learning.precision import autocast
from rewardmodel.learning.rundirectory import write_json
from rewardmodel.learning.shards import state_of


@dataclass(frozen=True)
class Card:
    """What turns a raw score into one with a meaning, and what it is valid for."""

    mean: float  # raw score of the average held-out response; it becomes 0
    std: float  # spread of the raw scores of held-out responses; it becomes 1
    temperature: float  # raw leads divided by it are log-odds of being preferred
    max_length: int  # tokens of prompt and response the model was trained with
    precision: str  # of the matrix products
    template_hash: str
    tokenizer_hash: str
    loss: str = "bradley-terry"  # which probabilities follow from the lead of raw scores
    tie: float = 0.0  # nu of Davidson or eta of Rao-Kupper, for raw leads
    # raw score that each head gives the average held-out response; empty where there is one head
    head_means: list[float] = field(default_factory=list)
    aspects: dict[str, float] = field(default_factory=dict)  # weights of heads that judge aspects


def save_artifact(folder: Path, model: RewardModel, chat: Chat, card: Card) -> None:
    """Write a reward model into an existing folder. LoRA matrices must have been merged."""
    model.trunk.save_pretrained(folder, state_dict=state_of(model.trunk))
    save_file(_judge_state(model), folder / "head.safetensors")
    chat.tokenizer.save_pretrained(folder)
    write_json(folder / "reward.json", asdict(card))


def _judge_state(model: RewardModel) -> dict[str, torch.Tensor]:
    """All of the model that is not its trunk."""
    return {name: value for name, value in state_of(model).items() if not name.startswith("trunk.")}


class Scorer:
    """Scores answers: 0 is the average held-out answer, 1 a standard deviation above it."""

    def __init__(self, model: RewardModel, chat: Chat, card: Card) -> None:
        self.model = model.eval().requires_grad_(False)
        self.chat = chat
        self.card = card
        self.tokens_per_pass = 4096  # tokens in memory at once

    def check_matches(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Refuse a policy that writes in other tokens or another template than were judged.

        Raises:
            ValueError: the tokenizer or the chat template differs.
        """
        chat = Chat(tokenizer)
        if chat.tokenizer_hash() != self.card.tokenizer_hash:
            raise ValueError(
                "The policy and the reward model have different tokenizers; "
                "train the reward model on the policy's own model."
            )
        if chat.template_hash() != self.card.template_hash:
            raise ValueError(
                "The policy and the reward model have different chat templates; "
                "train the reward model with the policy's template."
            )

    def score(
        self, conversations: Sequence[Sequence[Message]], responses: Sequence[str]
    ) -> list[float]:
        """Normalised scores of one response to each conversation, in the same order."""
        prompts = [self.chat.prompt(messages) for messages in conversations]
        return self.score_tokens(prompts, [self.chat.response(text) for text in responses])

    def judge(
        self, conversations: Sequence[Sequence[Message]], responses: Sequence[str]
    ) -> list[tuple[float, float | None]]:
        """Scores as `score` gives them, each with its uncertainty, see `judge_tokens`."""
        prompts = [self.chat.prompt(messages) for messages in conversations]
        return self.judge_tokens(prompts, [self.chat.response(text) for text in responses])

    def score_tokens(
        self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]
    ) -> list[float]:
        """Normalised scores of token numbers, as a policy sampled them.

        Args:
            prompts: up to the place where the assistant begins to answer.
            responses: as many; an end token is added where it is missing.

        Returns:
            One score for each response. Equal prompts are computed once.
        """
        return [score for score, _ in self.judge_tokens(prompts, responses)]

    def judge_tokens(
        self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]
    ) -> list[tuple[float, float | None]]:
        """Normalised scores as `score_tokens` gives them, each with its uncertainty.

        The uncertainty is the standard deviation of the heads' scores, in the unit of the score;
        None where there is one head, or each judges another aspect.
        """
        heads = self.opinions_on_tokens(prompts, responses)
        alike = heads.shape[1] > 1 and not self.card.aspects
        spread = heads.std(1).tolist() if alike else [None] * len(heads)
        return list(zip(self.model.combined(heads).tolist(), spread, strict=True))

    def leads(
        self,
        conversations: Sequence[Sequence[Message]],
        responses: Sequence[tuple[str, str]],
    ) -> torch.Tensor:
        """By how much each head prefers the first of two responses, (pairs, heads) in log-odds."""
        prompts = [self.chat.prompt(messages) for messages in conversations for _side in range(2)]
        texts = [self.chat.response(text) for pair in responses for text in pair]
        heads = self.opinions_on_tokens(prompts, texts).view(len(responses), 2, -1)
        return (heads[:, 0] - heads[:, 1]) * self.card.std / self.card.temperature

    @torch.no_grad()
    def opinions_on_tokens(
        self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]
    ) -> torch.Tensor:
        """What each head makes of each response, (responses, heads), in the unit of the score.

        A preference leaves each head a level of its own, so the level that a head has on held-out
        responses is taken off first.
        """
        members: dict[tuple[int, ...], list[int]] = {}
        ended = [self.chat.ended(response) for response in responses]
        for number, prompt in enumerate(prompts):
            room = max(self.card.max_length - len(ended[number]), KEPT_PROMPT)
            members.setdefault(tuple(prompt[-room:]), []).append(number)
        groups = [Group([*p], [ended[n] for n in numbers]) for p, numbers in members.items()]
        order = list(members.values())
        means = torch.tensor(self.card.head_means or [self.card.mean])  # (k,)
        found = torch.zeros(len(responses), len(means))
        for part in passes(groups, self.tokens_per_pass):
            with autocast(self.model.device, self.card.precision):
                features = self.model.features(self.model.batch([groups[n] for n in part]))
            seen = (self.model.opinions(features).cpu() - means) / self.card.std  # (S, k)
            found[[number for place in part for number in order[place]]] = seen.float()
        return found


def load_scorer(path: Path, device: torch.device = CPU) -> Scorer:
    """Load a folder written by `save_artifact` onto a device.

    Raises:
        ValueError: the folder holds no reward model, or its tokenizer was exchanged.
    """
    path = Path(path)
    if not (path / "reward.json").exists():
        raise ValueError(f"There is no reward model in {path}; name the result of a training run.")
    card = Card(**json.loads((path / "reward.json").read_text(encoding="utf-8")))
    chat = Chat(AutoTokenizer.from_pretrained(path))
    state = load_file(path / "head.safetensors")
    model = RewardModel(load_trunk(path), chat.padding, heads=len(state["head.weight"]))
    model.load_state_dict(state, strict=False)
    scorer = Scorer(model.to(device), chat, card)
    scorer.check_matches(chat.tokenizer)
    return scorer
