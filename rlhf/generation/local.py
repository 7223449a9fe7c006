"""Answers sampled by transformers in this process: for tests and for models without an engine."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlhf.generation.prompts import decode, encode
from rlhf.generation.protocol import Generated, Message, Sampling


class TransformersGenerator:
    """Pure ancestral sampling from a model in this process, with the tokens' log-probabilities.

    Each answer depends on its own seed and prompt only. The model is used as it is at the time of
    asking, so a policy in training needs no copying of weights.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model = model
        self.tokenizer = tokenizer

    def sync(self, policy: object) -> None:
        """Nothing to copy: the model in training is the model that answers."""

    def rest(self) -> None:
        """There is nothing to give back either."""

    @torch.no_grad()
    def generate(
        self, conversations: Sequence[list[Message]], sampling: Sequence[Sampling]
    ) -> list[Generated]:
        """Answer each conversation once, all in one batch.

        Raises:
            ValueError: the sampling is not ancestral, or not the same temperature for all.
        """
        temperature, longest = _shared_settings(sampling)
        prompts = [encode(self.tokenizer, conversation) for conversation in conversations]
        draws = torch.stack([_uniform(one.seed, longest) for one in sampling])  # (B, T)
        tokens, logprobs = self._sample(prompts, draws, temperature)
        return [
            self._answer(row, its_logprobs, one.max_tokens)
            for row, its_logprobs, one in zip(tokens, logprobs, sampling, strict=True)
        ]

    def _sample(
        self, prompts: list[list[int]], draws: Tensor, temperature: float
    ) -> tuple[list[list[int]], list[list[float]]]:
        """Tokens and log-probabilities, T for each prompt; those after the end mean nothing."""
        device = self.model.device
        draws = draws.to(device)
        room = [max(map(len, prompts)) - len(prompt) for prompt in prompts]  # on the left
        ids = torch.tensor(
            [[0] * n + prompt for n, prompt in zip(room, prompts, strict=True)], device=device
        )
        mask = torch.tensor(
            [[0] * n + [1] * len(prompt) for n, prompt in zip(room, prompts, strict=True)],
            device=device,
        )
        tokens, logprobs = [], []
        ended = torch.zeros(len(prompts), dtype=torch.bool, device=device)
        cache = None
        for step in range(draws.shape[1]):
            output = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = output.past_key_values
            distribution = (output.logits[:, -1].float() / temperature).log_softmax(-1)  # (B, V)
            chosen = _inverse_transform(distribution, draws[:, step])  # (B,)
            tokens.append(chosen)
            logprobs.append(distribution.gather(1, chosen[:, None]).squeeze(1))
            ended |= chosen == self.tokenizer.eos_token_id
            if ended.all():
                break
            ids = chosen[:, None]
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
        return torch.stack(tokens, 1).tolist(), torch.stack(logprobs, 1).tolist()

    def _answer(self, tokens: list[int], logprobs: list[float], max_tokens: int) -> Generated:
        """Cut at the end-of-sequence token, which belongs to the answer, or at max_tokens."""
        end = self.tokenizer.eos_token_id
        ended = end in tokens[:max_tokens]
        length = tokens.index(end) + 1 if ended else max_tokens
        return Generated(
            text=decode(self.tokenizer, tokens[:length]),
            token_ids=tuple(tokens[:length]),
            token_count=length,
            finish_reason="stop" if ended else "length",
            logprobs=tuple(logprobs[:length]),
        )


def _shared_settings(sampling: Sequence[Sampling]) -> tuple[float, int]:
    """The one temperature and the largest number of tokens of a batch."""
    if not all(one.is_ancestral for one in sampling):
        raise ValueError("Sampling here is ancestral: set top_p to 1 and temperature above 0.")
    temperatures = {one.temperature for one in sampling}
    if len(temperatures) != 1:
        raise ValueError("All answers of a batch share one temperature; ask in several batches.")
    return temperatures.pop(), max(one.max_tokens for one in sampling)


def _uniform(seed: int | None, count: int) -> Tensor:
    """Numbers in [0, 1) that depend on the seed only, (count,); the CPU draws for all devices."""
    source = torch.Generator()
    source.seed() if seed is None else source.manual_seed(seed)
    return torch.rand(count, generator=source, dtype=torch.float64)


def _inverse_transform(distribution: Tensor, draws: Tensor) -> Tensor:
    """The token at which the cumulative probability passes each draw, (B,)."""
    cumulative = distribution.double().exp().cumsum(-1)  # (B, V)
    cumulative /= cumulative[:, -1:].clone()
    return torch.searchsorted(cumulative, draws[:, None].contiguous(), right=True).squeeze(1)
