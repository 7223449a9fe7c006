"""Running a decoder in two parts: the lower layers that never change, and those above them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


def check_can_be_cut(decoder: PreTrainedModel, top_layers: int) -> None:
    """Refuse a decoder that has too few layers or whose parts do not add up to the whole.

    Raises:
        ValueError: it is one.
    """
    layers = getattr(decoder, "layers", None)
    if not isinstance(layers, nn.ModuleList) or not hasattr(decoder, "norm"):
        raise ValueError("The model's layers can't be told apart; choose tuning lora or full.")
    if not 0 < top_layers < len(layers):
        raise ValueError(
            f"top_layers={top_layers} must be at least 1 and below the model's {len(layers)}."
        )
    ids = torch.arange(8, device=decoder.device)[None] % decoder.config.vocab_size
    mask = torch.ones_like(ids)
    with torch.no_grad():
        whole = decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        cut = len(layers) - top_layers
        lower = below(decoder, cut, ids, mask)
        joined = above(decoder, layers[cut:], decoder.norm, lower, mask)
    if not torch.allclose(whole, joined, atol=1e-4):
        raise ValueError("The model can't be run in two parts; choose tuning lora or full.")


def below(decoder: PreTrainedModel, cut: int, ids: Tensor, mask: Tensor) -> Tensor:
    """Hidden states after the first `cut` layers, (B, L, H)."""
    with _only(decoder, decoder.layers[:cut], nn.Identity()):
        return _run(decoder, mask, input_ids=ids)


def above(
    decoder: PreTrainedModel, layers: nn.ModuleList, norm: nn.Module, lower: Tensor, mask: Tensor
) -> Tensor:
    """The last hidden states, (B, L, H), from those below `layers`."""
    with _only(decoder, layers, norm):
        return _run(decoder, mask, inputs_embeds=lower)


def _run(decoder: PreTrainedModel, mask: Tensor, **inputs: Tensor) -> Tensor:
    positions = (mask.long().cumsum(1) - 1).clamp(min=0)
    output = decoder(**inputs, attention_mask=mask, position_ids=positions, use_cache=False)
    return output.last_hidden_state


@contextmanager
def _only(decoder: PreTrainedModel, layers: nn.ModuleList, norm: nn.Module) -> Iterator[None]:
    """Let the decoder consist of some layers and a norm."""
    usual = decoder.layers, decoder.norm
    decoder.layers, decoder.norm = layers, norm
    try:
        yield
    finally:
        decoder.layers, decoder.norm = usual
