"""The reference mode is "The N+ Implementation Details of RLHF with PPO" (arXiv:2403.17031).

What follows was written from that paper and the table of its details, not from the code under test:
one rectangle of tokens, filled with anything behind an answer's end; full logits; two networks that
know nothing of each other.
"""

import copy
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaForCausalLM, LlamaModel

from rlhf.generation.local import TransformersGenerator
from rlhf.generation.protocol import Generated
from rlhf.learning.critic import Critic
from rlhf.learning.learner import Learner
from rlhf.learning.policy import Policy
from rlhf.learning.ppo import World, train
from rlhf.learning.rollouts import prompts_for
from rlhf.learning.settings import REFERENCE, PPOTraining
from tests.rlhf.learning.letters import PROMPTS, letter_policy, letter_tokenizer, share_of_a

END, LENGTH, BATCH, UPDATES, RATE = 1, 6, 8, 2, 1e-4
INVALID = 1.0


@dataclass
class Recorded:
    """What the run under test sampled, update by update."""

    prompts: list[Tensor]
    responses: list[Tensor]
    scores: list[Tensor]


def mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum()


def whitened(values: Tensor, mask: Tensor) -> Tensor:
    centre = mean(values, mask)
    return (values - centre) * torch.rsqrt(mean((values - centre) ** 2, mask) + 1e-8)


def logprobs_of(model: LlamaForCausalLM, prompts: Tensor, responses: Tensor) -> Tensor:
    logits = model(torch.cat([prompts, responses], 1)).logits[:, prompts.shape[1] - 1 : -1]
    everything = torch.log_softmax(logits / (0.7 + 1e-7), -1)
    return everything.gather(2, responses[..., None])[..., 0]


def values_of(
    trunk: LlamaModel, head: torch.nn.Linear, prompts: Tensor, responses: Tensor
) -> Tensor:
    hidden = trunk(torch.cat([prompts, responses], 1)).last_hidden_state
    return head(hidden)[:, prompts.shape[1] - 1 : -1, 0]


def reference_run(
    policy: LlamaForCausalLM, trunk: LlamaModel, head: torch.nn.Linear, seen: Recorded
) -> list[dict[str, float]]:
    """Two updates of four epochs, in place; tells each update's mean losses."""
    frozen = copy.deepcopy(policy)
    weights = [*policy.parameters(), *trunk.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=RATE, eps=1e-5)
    told = []
    for update in range(UPDATES):
        optimizer.param_groups[0]["lr"] = (1 - update / UPDATES) * RATE
        prompts, responses = seen.prompts[update], seen.responses[update]
        ended = (responses == END).any(1)
        first_end = torch.where(ended, (responses == END).int().argmax(1), LENGTH - 1)
        places = torch.arange(LENGTH)[None]
        padding, padding_p1 = (
            places > first_end[:, None],
            places > first_end[:, None] + 1,
        )
        with torch.no_grad():
            old = logprobs_of(policy, prompts, responses).masked_fill(padding, INVALID)
            ref = logprobs_of(frozen, prompts, responses).masked_fill(padding, INVALID)
            values = values_of(trunk, head, prompts, responses).masked_fill(padding_p1, 0)
            scores = torch.where(ended, seen.scores[update], torch.tensor(-1.0))
            rewards = -0.05 * (old - ref)
            last = torch.where(first_end + 1 < LENGTH, first_end + 1, first_end)
            rewards[torch.arange(BATCH), last] += scores
            lastgaelam, advantages = torch.zeros(BATCH), torch.zeros(BATCH, LENGTH)
            for t in reversed(range(LENGTH)):
                following = values[:, t + 1] if t < LENGTH - 1 else 0.0
                delta = rewards[:, t] + following - values[:, t]
                lastgaelam = advantages[:, t] = delta + 0.95 * lastgaelam
            returns = advantages + values
            advantages = whitened(advantages, ~padding).masked_fill(padding, 0)
        policy_losses, value_losses = [], []
        for _ in range(4):
            new = logprobs_of(policy, prompts, responses).masked_fill(padding, INVALID)
            value = values_of(trunk, head, prompts, responses).masked_fill(padding_p1, 0)
            clipped = torch.clamp(value, values - 0.2, values + 0.2)
            squares = torch.max((value - returns) ** 2, (clipped - returns) ** 2)
            value_loss = 0.5 * mean(squares, ~padding_p1)
            ratio = torch.exp(new - old)
            surrogate = torch.max(-advantages * ratio, -advantages * ratio.clamp(0.8, 1.2))
            policy_loss = mean(surrogate, ~padding)
            optimizer.zero_grad()
            (policy_loss + 0.1 * value_loss).backward()
            optimizer.step()
            policy_losses.append(policy_loss.item())
            value_losses.append(value_loss.item())
        told.append({"policy_loss": np.mean(policy_losses), "value_loss": np.mean(value_losses)})
    return told


@pytest.fixture(scope="module")
def both():  # type: ignore[no-untyped-def]
    """The run under test and the independent one, on the same answers from the same weights."""
    torch.set_num_threads(1)
    config = PPOTraining(
        **REFERENCE
        | {
            "updates": UPDATES,
            "batch_size": BATCH,
            "minibatch_size": BATCH,
            "max_response_tokens": LENGTH,
            "learning_rate": RATE,  # the reference's 3e-6 would move too little to be compared
            "value_learning_rate": RATE,
        }
    )
    start = letter_policy("full").causal_lm
    trunk = copy.deepcopy(start.get_decoder())
    head = torch.nn.Linear(trunk.config.hidden_size, 1)
    torch.nn.init.normal_(head.weight, std=0.2, generator=torch.manual_seed(3))
    mine = copy.deepcopy(start)
    critic = Critic(copy.deepcopy(trunk), copy.deepcopy(head))
    policy = Policy(mine, "full", 4, config.temperature, 0, "fp32", critic=critic)

    tokenizer = letter_tokenizer()
    generator = TransformersGenerator(policy.causal_lm, tokenizer)
    answers: list[list[Generated]] = []
    scores: list[list[float]] = []

    def recorded_score(conversations, responses):  # type: ignore[no-untyped-def]
        scores.append(share_of_a(conversations, responses))
        return scores[-1]

    generate = generator.generate

    def recorded_generate(conversations, sampling):  # type: ignore[no-untyped-def]
        answers.append(generate(conversations, sampling))
        return answers[-1]

    generator.generate = recorded_generate  # type: ignore[method-assign]
    world = World(tokenizer, generator, recorded_score, PROMPTS)
    metrics = list(train(config, Learner(config, policy), world))

    source = torch.Generator().manual_seed(5)
    seen = Recorded([], [], [])
    for update in range(UPDATES):
        chosen = prompts_for(config.seed, update, BATCH, len(PROMPTS))
        texts = [tokenizer.apply_chat_template(PROMPTS[i], tokenize=False) for i in chosen]
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        responses = torch.randint(3, 7, (BATCH, LENGTH), generator=source)  # sampled past the end
        for row, answer in enumerate(answers[update]):
            responses[row, : answer.token_count] = torch.tensor(answer.token_ids)
        seen.prompts.append(torch.tensor(ids))
        seen.responses.append(responses)
        seen.scores.append(torch.tensor(scores[update]))
    told = reference_run(start, trunk, head, seen)
    return metrics, told, policy, (start, trunk, head), answers


def test_some_answers_ended_early_and_some_were_cut(both):
    lengths = {answer.token_count for update in both[4] for answer in update}
    reasons = {answer.finish_reason for update in both[4] for answer in update}
    assert len(lengths) > 2
    assert reasons == {"stop", "length"}


def test_every_weight_ends_where_the_reference_ends(both):
    _, _, policy, (start, trunk, head), _ = both
    for mine, theirs in (
        (policy.causal_lm, start),
        (policy.critic.trunk, trunk),
        (policy.critic.head, head),
    ):
        others = dict(theirs.named_parameters())
        moved = dict(letter_policy("full").causal_lm.named_parameters())
        for name, weight in mine.named_parameters():
            assert torch.allclose(weight, others[name], rtol=0, atol=1e-6), name
        if mine is policy.causal_lm:  # and it did move
            assert any((others[n] - w).abs().max() > 1e-4 for n, w in moved.items())


@pytest.mark.parametrize("name", ["policy_loss", "value_loss"])
def test_the_losses_are_the_reference_losses(both, name):
    metrics, told, *_ = both
    for mine, theirs in zip(metrics, told, strict=True):
        assert mine[name] == pytest.approx(theirs[name], abs=1e-6)


def test_at_the_first_step_nothing_has_moved(both):
    assert [row["ratio_first"] for row in both[0]] == [1.0, 1.0]
    assert both[0][0]["kl"] == 0
