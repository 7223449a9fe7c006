"""Texts that the policy is not to forget while it learns to please."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerBase

from rewardmodel.learning.processes import ALONE, Crew
from rlhf.learning.policy import Policy
from rlhf.learning.texts import Texts


class Reminder:
    """Adds the loss of the next token on plain texts to a step.

    Source: Ouyang et al. 2022 (arXiv:2203.02155), equation 2, "PPO-ptx".
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
        coefficient: float,
        count: int,
        longest: int,
        seed: int,
        crew: Crew = ALONE,
    ) -> None:
        """Prepare the texts.

        Args:
            texts: at least one.
            tokenizer: of the policy.
            coefficient: weight of the mean loss per token.
            count: texts a step.
            longest: tokens of a text that are read.
            seed: of the order.
            crew: among which the texts of a step are shared.

        Raises:
            ValueError: no text has two tokens.
        """
        encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        self.tokens = [ids[:longest] for ids in encoded if len(ids) > 1]
        if not self.tokens:
            raise ValueError("pretraining.jsonl holds no text to be reminded of; add rows to it.")
        self.coefficient = coefficient
        self.count = count
        self.seed = seed
        self.crew = crew

    def backward(self, policy: Policy, update: int, step: int) -> None:
        """Add the gradient of one step's texts, each token of which counts the same."""
        source = torch.Generator().manual_seed(self.seed * 1_000_003 + update * 1_009 + step)
        chosen = torch.randint(len(self.tokens), (self.count,), generator=source)
        total = sum(len(self.tokens[i]) - 1 for i in chosen.tolist())
        mine = [self.tokens[i] for i in self.crew.share(chosen).tolist()]
        if mine:
            texts = Texts.of([ids[:1] for ids in mine], [ids[1:] for ids in mine])
            loss = -policy(texts).logprobs.sum() / total
            (self.coefficient * loss).backward()
