"""From hidden states to the probabilities of sampled tokens, without keeping the vocabulary."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

TOKENS_AT_ONCE = 256  # rows of logits alive together: 50 MB for a vocabulary of 49,152


def token_statistics(
    hidden: Tensor, weight: Tensor, tokens: Tensor, temperature: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Log-probability of each of N tokens, and the entropy of what it was drawn from.

    The logits of some tokens at a time are computed and forgotten, so no tensor of N x vocabulary
    is ever there. What a token's log-probability changes with its hidden state is known as soon as
    its logits are, so it is kept instead of them, (N, H); logits are computed a second time only
    for the gradient of an output layer that is trained.

    Args:
        hidden: the states from which the tokens were drawn, (N, H).
        weight: of the output layer, (V, H).
        tokens: (N,).
        temperature: by which logits are divided.
        dtype: of the matrix products; sums are float32.

    Returns:
        (log-probabilities, entropies), (N,) each, in nats; entropies carry no gradient.
    """
    return _TokenStatistics.apply(hidden, weight, tokens, temperature, dtype)


class _TokenStatistics(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        tokens: Tensor,
        temperature: float,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        narrow = weight.to(dtype)  # no copy where it already is
        logprobs, entropies, totals, slopes = [], [], [], []
        for some, their in zip(
            hidden.split(TOKENS_AT_ONCE), tokens.split(TOKENS_AT_ONCE), strict=True
        ):
            scaled = (some.to(dtype) @ narrow.T).float().div_(temperature)  # (n, V)
            total = scaled.logsumexp(-1)
            mine = scaled.gather(-1, their[:, None]).squeeze(-1)
            scaled.sub_(total[:, None])
            logprobs.append(mine - total)
            totals.append(total)
            probabilities = scaled.exp()
            entropies.append(-torch.linalg.vecdot(probabilities, scaled))
            if ctx.needs_input_grad[0]:
                expected = probabilities.to(dtype) @ narrow  # (n, H)
                slopes.append((narrow[their].float() - expected.float()) / temperature)
        ctx.save_for_backward(hidden, weight, tokens, torch.cat(totals), *slopes)
        ctx.temperature, ctx.dtype = temperature, dtype
        entropy = torch.cat(entropies)
        ctx.mark_non_differentiable(entropy)
        return torch.cat(logprobs), entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, tokens, totals, *slopes = ctx.saved_tensors
        towards_hidden = (torch.cat(slopes) * gradient[:, None]).to(hidden.dtype)
        if not ctx.needs_input_grad[1]:
            return towards_hidden, None, None, None, None
        narrow = weight.to(ctx.dtype)
        towards_weight = torch.zeros_like(weight)
        for some, their, total, pull in zip(
            *(part.split(TOKENS_AT_ONCE) for part in (hidden, tokens, totals, gradient)),
            strict=True,
        ):
            states = some.to(ctx.dtype)
            scaled = (states @ narrow.T).float().div_(ctx.temperature)
            slope = scaled.sub_(total[:, None]).exp_().neg_()  # d logprob / d logits, (n, V)
            slope.scatter_add_(1, their[:, None], torch.ones_like(pull)[:, None])
            slope.mul_((pull / ctx.temperature)[:, None])
            towards_weight += slope.to(ctx.dtype).T @ states
        return towards_hidden, towards_weight, None, None, None
