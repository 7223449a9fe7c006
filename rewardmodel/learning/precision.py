"""Which number format is fast here."""

from contextlib import AbstractContextManager, nullcontext

import torch

PRECISIONS = ("auto", "bf16", "fp32")


def has_fast_bf16(device: torch.device) -> bool:
    """True where matrix products in bfloat16 have instructions of their own.

    Without them bfloat16 is emulated and slower than float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """Matrix products in bfloat16 with float32 weights, or everything in float32.

    Args:
        device: where the products run.
        precision: "bf16", "fp32", or "auto" for whichever is faster on this device.
    """
    wanted = has_fast_bf16(device) if precision == "auto" else precision == "bf16"
    return torch.autocast(device.type, dtype=torch.bfloat16) if wanted else nullcontext()
