"""The policy: one trunk, a critic, a reference, and weights an engine can load."""

from collections.abc import Iterator

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from rlhf.learning.policy import Policy
from rlhf.learning.texts import Texts
from tests.tiny_model import make_tiny_model

PROMPTS = [[5, 6, 7, 8], [9, 10], [11, 12, 13]]
RESPONSES = [[20, 21], [22, 23, 24, 25, 2], [26]]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(params=["full", "lora"])
def policy(request, folder) -> Policy:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return Policy(model, request.param, 4, temperature=1.0, seed=0, precision="fp32")


def disturb(policy: Policy, amount: float = 0.05) -> None:
    """Move every trained weight, as training would."""
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in policy.trunk_parameters():
            weight += amount * torch.randn(weight.shape, generator=source)


def test_log_probabilities_are_those_of_the_plain_model_token_by_token(policy):
    disturb(policy)
    logprobs = policy(Texts.of(PROMPTS, RESPONSES)).logprobs
    for row, (prompt, response) in enumerate(zip(PROMPTS, RESPONSES, strict=True)):
        logits = policy.causal_lm(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        expected = logits.log_softmax(-1)[torch.arange(len(response)), response]
        assert torch.allclose(logprobs[row, : len(response)], expected, atol=1e-5)


def test_a_saved_adapter_is_one_that_peft_reads(folder, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    policy = Policy(model, "lora", 4, temperature=1.0, seed=0, precision="fp32")
    disturb(policy)
    policy.save_adapter(tmp_path)
    parent = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    read = PeftModel.from_pretrained(parent, tmp_path)
    [told] = policy.sequence_logprobs([PROMPTS[0] + RESPONSES[1]])
    ids = torch.tensor([PROMPTS[0] + RESPONSES[1]])
    logprobs = read(ids).logits[0, :-1].log_softmax(-1)
    assert told == pytest.approx(logprobs[torch.arange(len(told)), ids[0, 1:]].tolist(), abs=1e-5)
    assert told != pytest.approx(parent_logprobs(folder, ids), abs=1e-2)


def parent_logprobs(folder, ids: torch.Tensor) -> list[float]:
    logits = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(ids).logits
    logprobs = logits[0, :-1].log_softmax(-1)
    return logprobs[torch.arange(len(logprobs)), ids[0, 1:]].tolist()


def test_padding_changes_no_opinion(policy):
    together = policy(Texts.of(PROMPTS, RESPONSES))
    for row in range(3):
        alone = policy(Texts.of(PROMPTS[row : row + 1], RESPONSES[row : row + 1]))
        length = len(RESPONSES[row])
        assert torch.allclose(together.logprobs[row, :length], alone.logprobs[0], atol=1e-5)
        assert torch.allclose(together.values[row, :length], alone.values[0], atol=1e-5)


def test_what_stands_on_padding_does_not_matter(policy):
    texts = Texts.of(PROMPTS, RESPONSES)
    scribbled = texts._replace(
        prompts=texts.prompts.masked_fill(~texts.prompt_mask, 33),
        responses=texts.responses.masked_fill(~texts.mask, 34),
    )
    assert torch.allclose(policy(texts).logprobs, policy(scribbled).logprobs, atol=1e-6)


def test_opinions_are_zero_on_padding(policy):
    torch.nn.init.normal_(policy.value_head.weight)
    texts = Texts.of(PROMPTS, RESPONSES)
    for figure in policy(texts):
        assert figure[~texts.mask].abs().max() == 0


def test_some_rows_come_without_the_columns_they_do_not_need():
    part = Texts.of(PROMPTS, RESPONSES).rows(torch.tensor([2, 0]))
    assert part.prompts.tolist() == [[0, 11, 12, 13], [5, 6, 7, 8]]
    assert part.responses.tolist() == [[26, 0], [20, 21]]


def test_at_the_start_the_policy_is_its_reference_exactly(policy):
    texts = Texts.of(PROMPTS, RESPONSES)
    assert torch.equal(policy(texts).logprobs, policy.reference_logprobs(texts))


def test_training_leaves_the_reference_where_it_was(policy):
    texts = Texts.of(PROMPTS, RESPONSES)
    before = policy.reference_logprobs(texts)
    disturb(policy)
    assert not torch.allclose(policy(texts).logprobs, before, atol=1e-3)
    assert torch.equal(policy.reference_logprobs(texts), before)


def test_the_critic_expects_nothing_at_the_start(policy):
    assert policy(Texts.of(PROMPTS, RESPONSES)).values.abs().max() == 0


def test_splitting_the_vocabulary_work_changes_neither_value_nor_gradient(policy, monkeypatch):
    texts = Texts.of(PROMPTS, RESPONSES)

    def gradient() -> list[torch.Tensor]:
        return list(torch.autograd.grad(policy(texts).logprobs.sum(), policy.trunk_parameters()))

    whole = gradient()
    monkeypatch.setattr("rlhf.learning.output.TOKENS_AT_ONCE", 3)
    for one, other in zip(whole, gradient(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_entropy_is_that_of_the_whole_distribution(policy):
    with torch.no_grad():
        entropy = policy(Texts.of(PROMPTS, RESPONSES)).entropy
        logits = policy.causal_lm(torch.tensor([PROMPTS[0] + RESPONSES[0]])).logits[0, 3:5]
    assert torch.allclose(
        entropy[0, :2], torch.distributions.Categorical(logits=logits).entropy(), atol=1e-5
    )


def test_temperature_applies_to_every_log_probability(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    policy = Policy(model, "lora", 4, temperature=0.5, seed=0, precision="fp32")
    logits = model(torch.tensor([PROMPTS[0] + RESPONSES[0]])).logits[0, 3:5]
    expected = (logits / 0.5).log_softmax(-1)[[0, 1], RESPONSES[0]]
    texts = Texts.of(PROMPTS[:1], RESPONSES[:1])
    assert torch.allclose(policy(texts).logprobs[0], expected, atol=1e-5)
    assert torch.allclose(policy.reference_logprobs(texts)[0], expected, atol=1e-5)


def test_the_saved_model_answers_like_the_policy_and_loads_without_adapters(
    policy, folder, tmp_path
):
    disturb(policy)
    texts = Texts.of(PROMPTS, RESPONSES)
    policy.save_model(tmp_path, folder)
    names = load_file(tmp_path / "model.safetensors").keys()
    assert names == load_file(folder / "model.safetensors").keys()
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    loaded = Policy(again, "lora", 4, temperature=1.0, seed=0, precision="fp32")
    assert torch.allclose(loaded(texts).logprobs, policy(texts).logprobs, atol=1e-4)


def test_weights_for_an_engine_carry_the_names_of_the_parent(policy, folder):
    names = [name for name, _ in policy.merged_weights()]
    assert sorted(names) == sorted(load_file(folder / "model.safetensors"))


def test_only_adapters_and_value_head_are_trained_with_lora(folder):
    policy = Policy.load(folder, "lora", lora_rank=4)
    names = {name for name, weight in policy.named_parameters() if weight.requires_grad}
    assert all(".lora_" in name or name.startswith("value_head.") for name in names)
    assert not any("lm_head" in name or "embed" in name for name in names)
