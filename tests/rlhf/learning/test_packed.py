"""Texts in one row: the same results as one by one, with less to compute."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from rlhf.learning.packed import PackedRow, can_be_packed, states_before
from rlhf.learning.texts import Texts
from tests.tiny_model import make_tiny_model

RESPONSES = [[20, 21], [22, 23, 24, 25, 2], [26]]
COMMON = [[5, 6, 7, 8], [5, 6], [5, 6, 13]]
APART = [[5, 6, 7, 8], [9, 10], [11, 12, 13]]


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).get_decoder()


def one_by_one(decoder, texts):
    """States before each token, (T_i, H) of every text, each in a row of its own."""
    states = []
    for prompt, prompt_mask, answer, mask in zip(*texts[:4], strict=True):
        ids = torch.cat([prompt[prompt_mask], answer[mask]])[None]
        hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state[0]
        states.append(hidden[prompt_mask.sum() - 1 : -1])
    return states


@pytest.mark.parametrize("prompts", [COMMON, APART, [COMMON[0]] * 3])
def test_states_and_gradients_are_those_of_texts_one_by_one(decoder, prompts):
    texts = Texts.of(prompts, RESPONSES)
    direction = torch.randn(decoder.config.hidden_size, generator=torch.manual_seed(0))
    expected = one_by_one(decoder, texts)
    packed = states_before(decoder, texts)
    for row, states in enumerate(expected):
        assert torch.allclose(packed[row, : len(states)], states, atol=1e-5)
    weights = list(decoder.parameters())
    wanted = torch.autograd.grad(sum((s @ direction).sum() for s in expected), weights)
    found = torch.autograd.grad((packed @ direction)[texts.mask].sum(), weights)
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_what_all_texts_begin_with_is_there_once():
    row = PackedRow.of(Texts.of(COMMON, RESPONSES))
    assert row.start == 1
    assert row.token_ids.tolist() == [[5, 6, 7, 8, 20, 6, 22, 23, 24, 25, 6, 13]]
    assert row.positions.tolist() == [[0, 1, 2, 3, 4, 1, 2, 3, 4, 5, 1, 2]]


def test_a_decoder_that_forgets_the_beginning_is_not_packed(decoder):
    assert can_be_packed(decoder)
    decoder.config.sliding_window = 4
    assert not can_be_packed(decoder)
    decoder.config.sliding_window = None


def test_a_decoder_is_left_as_it_was(decoder):
    states_before(decoder, Texts.of(APART, RESPONSES))
    assert decoder.config._attn_implementation == "sdpa"
