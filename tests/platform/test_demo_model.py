"""The demo's model, out of a wheel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import demo_model

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "var" / "models" / "SmolLM2-135M-Instruct"


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory) -> Path:
    """The converted model: the one that make left, else one made now."""
    if demo_model.is_whole(KEPT):
        return KEPT
    folder = tmp_path_factory.mktemp("models") / "SmolLM2-135M-Instruct"
    program = [sys.executable, "-m", "config.demo_model", str(folder)]
    subprocess.run(program, cwd=ROOT, env=dict(os.environ), check=True)
    return folder


def test_the_model_knows_the_capital_of_france(demo_folder):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(demo_folder)
    model = AutoModelForCausalLM.from_pretrained(demo_folder, dtype=torch.float32)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    tokens = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.generate(**tokens, max_new_tokens=12, do_sample=False)
    words = tokenizer.decode(answer[0, tokens["input_ids"].shape[1] :])
    assert "Paris" in words
    assert words.endswith(tokenizer.eos_token)  # it knows where to stop


def test_padding_is_not_the_end_of_a_turn(demo_folder):
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(demo_folder)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert tokenizer.pad_token_id < len(tokenizer)
    assert AutoConfig.from_pretrained(demo_folder).pad_token_id == tokenizer.pad_token_id
    assert GenerationConfig.from_pretrained(demo_folder).eos_token_id == tokenizer.eos_token_id


def test_an_unfinished_conversion_leaves_nothing_with_the_models_name(tmp_path, monkeypatch):
    from transformers import AutoModelForCausalLM

    def out_of_space(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", out_of_space)
    with pytest.raises(OSError, match="space"):
        demo_model.convert(tmp_path / "models" / "SmolLM2")
    assert not (tmp_path / "models" / "SmolLM2").exists()
