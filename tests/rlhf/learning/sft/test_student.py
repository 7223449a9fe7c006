"""What a demonstration costs, and that no layout of a batch changes it."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from rewardmodel.learning.batches import Group
from rlhf.learning.sft.student import Student
from tests.tiny_model import make_tiny_model

GROUPS = [
    Group([5, 6, 7, 8], [[9, 10, 11, 2]]),
    Group([12], [[13, 2]]),
    Group([20, 21, 22, 23, 24, 25, 26], [[2]]),
    Group(list(range(30, 50)), [[*range(60, 75), 2]]),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("student"))


def student(tiny, tuning="full", packing=True):
    return Student.load(tiny, tuning, 4, 0, packing, "fp32")


def gradient(made, groups_at_once):
    made.zero_grad()
    for groups in groups_at_once:
        made(groups).sum().backward()
    return torch.cat([weight.grad.flatten() for weight in made.learning()])


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_packed_padded_and_one_by_one_cost_the_same_and_teach_the_same(tiny, tuning):
    packed, padded = student(tiny, tuning), student(tiny, tuning, packing=False)
    one_by_one = torch.cat([padded([group]) for group in GROUPS])
    assert torch.allclose(packed(GROUPS), one_by_one, atol=1e-5, rtol=1e-5)
    assert torch.allclose(padded(GROUPS), one_by_one, atol=1e-5, rtol=1e-5)
    alone = gradient(padded, [[group] for group in GROUPS])
    assert torch.allclose(gradient(packed, [GROUPS]), alone, atol=1e-5)
    assert torch.allclose(gradient(padded, [GROUPS]), alone, atol=1e-5)
    assert alone.abs().max() > 0.01


def test_only_the_answer_is_paid_for(tiny):
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    for group in GROUPS:
        tokens = torch.tensor([group.prompt + group.responses[0]])
        logprobs = model(tokens).logits.log_softmax(-1)[0, :-1]  # (T - 1, V)
        paid = logprobs.gather(1, tokens[0, 1:, None])[len(group.prompt) - 1 :]
        assert student(tiny)([group]).item() == pytest.approx(-paid.sum().item(), abs=1e-4)


def test_neighbours_in_a_row_are_strangers(tiny):
    made = student(tiny)
    alone = made(GROUPS[:1])
    others = [Group([99, 98], [[97, 96, 2]]), *GROUPS[1:]]
    assert made([*others, GROUPS[0]])[-1].item() == pytest.approx(alone.item(), abs=1e-5)


def test_a_whole_answer_longer_than_a_chunk_of_logits_costs_the_same(tiny, monkeypatch):
    whole = student(tiny)(GROUPS)
    monkeypatch.setattr("rlhf.learning.sft.student.TOKENS_AT_ONCE", 3)
    assert torch.allclose(student(tiny)(GROUPS), whole, atol=1e-5)


def test_lora_starts_as_the_parent_and_only_its_matrices_learn(tiny):
    full, lora = student(tiny), student(tiny, "lora")
    assert torch.allclose(full(GROUPS), lora(GROUPS), atol=1e-6)
    assert sum(w.numel() for w in lora.learning()) < sum(w.numel() for w in full.learning()) / 4
    lora(GROUPS).sum().backward()
    touched = {name for name, weight in lora.named_parameters() if weight.grad is not None}
    assert touched
    assert all("lora_" in name for name in touched)


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_the_saved_model_is_the_one_that_learned(tiny, tmp_path, tuning):
    made = student(tiny, tuning)
    with torch.no_grad():
        for weight in made.learning():
            weight += 0.02 * torch.randn(weight.shape, generator=torch.manual_seed(1))
    cost = made(GROUPS)
    made.save_model(tmp_path, tiny)
    assert torch.allclose(student(tmp_path)(GROUPS), cost, atol=1e-4)
    assert not torch.allclose(student(tiny)(GROUPS), cost, atol=1e-2)
