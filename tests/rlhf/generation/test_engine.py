"""A real vLLM in this process: it follows the policy, and the guard notices when it does not."""

import pytest
import torch
from transformers import AutoTokenizer

from rlhf.generation import engine as engine_module
from rlhf.generation.engine import VllmEngine
from rlhf.generation.guard import WeightsDiffer
from rlhf.generation.protocol import Sampling
from rlhf.learning.policy import Policy
from rlhf.learning.rollouts import freeze, generate
from rlhf.learning.settings import PPOTraining

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture
def policy(real_model) -> Policy:
    return Policy.load(real_model, "full")


@pytest.fixture
def engine(vllm_engine: VllmEngine, policy: Policy) -> VllmEngine:
    """The engine with the parent's weights, whatever the test before did to it."""
    vllm_engine.sync(policy)
    return vllm_engine


def disturb(weight: torch.Tensor, amount: float = 0.03) -> None:
    with torch.no_grad():
        weight += amount * torch.randn(weight.shape, generator=torch.manual_seed(0))


def test_the_engine_answers_with_the_model_it_was_given(engine):
    sampling = Sampling(temperature=1e-3, max_tokens=16, seed=0)
    (answer,) = engine.generate([QUESTION], [sampling])
    assert "Paris" in answer.text
    assert answer.token_count == len(answer.token_ids) == len(answer.logprobs)


def test_the_same_seed_gives_the_same_answer(engine):
    first, again, other = generate(engine, [QUESTION] * 3, [1, 1, 2], 16, 1.0)
    assert first == again
    assert first.token_ids != other.token_ids


def test_engine_and_trainer_give_a_sampled_token_nearly_the_same_probability(
    engine, policy, real_model
):
    answers = generate(engine, [QUESTION] * 4, [1, 2, 3, 4], 24, 1.0)
    tokenizer = AutoTokenizer.from_pretrained(real_model)
    seen = freeze(PPOTraining(), policy, tokenizer, [QUESTION] * 4, answers, [0.0] * 4)
    assert seen.engine_gap < 0.1


def test_after_a_sync_the_engine_answers_with_the_new_weights(engine, policy):
    usual = engine.difference(policy)
    for weight in policy.trunk_parameters():
        disturb(weight, 0.003)
    stale = engine.difference(policy)
    engine.sync(policy)
    assert stale > 3 * usual
    assert engine.difference(policy) < 2 * usual


def test_the_guard_notices_a_shared_output_layer_that_stayed_old(engine, policy, monkeypatch):
    disturb(policy.causal_lm.get_input_embeddings().weight)
    monkeypatch.setattr(engine_module, "_pack_tied_output", lambda worker: None)
    with pytest.raises(WeightsDiffer, match="answers with other weights"):
        engine.sync(policy)


def test_the_guard_notices_an_adapter_that_stayed_old(engine, real_model, monkeypatch):
    """As vLLM does with an adapter that is loaded again under its number: it keeps the first."""
    policy = Policy.load(real_model, "lora")
    first = [weight for name, weight in policy.named_parameters() if "lora_b" in name]
    for weight in first:
        disturb(weight, 0.005)
    engine.sync(policy)
    old = [(name, weight.to(engine.dtype, copy=True)) for name, weight in policy.merged_weights()]
    for weight in first:
        disturb(weight, 0.02)
    load = engine.load
    monkeypatch.setattr(engine, "load", lambda new: load(old))
    with pytest.raises(WeightsDiffer, match="answers with other weights"):
        engine.sync(policy)


def test_the_guard_notices_one_layer_with_other_weights(engine, policy):
    disturb(policy.causal_lm.model.layers[0].mlp.down_proj.weight, 0.2)
    with pytest.raises(WeightsDiffer, match="stops"):
        engine.guard(policy)


def test_adapters_reach_the_engine_merged(engine, real_model):
    policy = Policy.load(real_model, "lora")
    for name, weight in policy.named_parameters():
        if "lora_b" in name:
            disturb(weight, 0.02)
    with pytest.raises(WeightsDiffer):
        engine.guard(policy)
    engine.sync(policy)


def test_the_trainer_may_still_choose_its_threads(engine):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(threads)
