"""Every option of a run: that it does what its field says, and that learning survives it."""

import copy
from collections.abc import Iterator

import pytest
import torch

from rlhf.generation.local import TransformersGenerator
from rlhf.generation.protocol import Generated
from rlhf.learning.learner import Learner
from rlhf.learning.policy import Policy
from rlhf.learning.ppo import World, train
from rlhf.learning.pretraining import Reminder
from rlhf.learning.settings import PPOTraining
from tests.rlhf.learning.letters import (
    PROMPTS,
    changed,
    letter_policy,
    letter_tokenizer,
    run,
    share_of_a,
    untimed,
    world_of,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "setting",
    [
        {"kl_estimator": "k2", "kl_coef": 0.01},
        {"kl_estimator": "k3", "kl_coef": 0.01},
        {"whiten_rewards": True},
        {"clip_high": 0.4, "dual_clip": 3.0},
        {"scale_scores": True, "centre_scores": True, "score_clip": 3.0},
        {"importance_cap": 2.0},
        {"score_after_end": True, "missing_eos": "replace", "missing_eos_penalty": 0.1},
        {"algorithm": "rloo", "answers_per_prompt": 4},
        {"algorithm": "dpo", "answers_per_prompt": 2, "dpo_beta": 0.5},
    ],
    ids=lambda setting: " ".join(map(str, next(iter(setting.items())))),
)
def test_the_options_learn_as_well(setting):
    assert run(changed(**setting))[-1]["score"] > 0.7


def test_a_critic_of_its_own_learns_as_well():
    config = changed(critic="separate")
    metrics = run(config, learner=Learner(config, letter_policy(separate=True)))
    assert metrics[-1]["score"] > 0.7


def test_top_layers_learn_and_those_below_stay_and_are_computed_once(monkeypatch):
    from rlhf.learning import policy as module

    config = changed(tuning="top", top_layers=1, learning_rate=3e-2, updates=8)
    policy = letter_policy("top", layers=2)
    frozen = {n: w.clone() for n, w in policy.named_parameters() if not w.requires_grad}
    calls = []
    below = module.below
    monkeypatch.setattr(module, "below", lambda *a: calls.append(1) or below(*a))
    metrics = run(config, learner=Learner(config, policy))
    assert metrics[-1]["score"] > metrics[0]["score"] + 0.1
    assert metrics[0]["kl"] == 0
    assert all(torch.equal(dict(policy.named_parameters())[n], w) for n, w in frozen.items())
    assert len(calls) == config.updates  # not once a pass


def test_small_passes_teach_what_one_large_pass_teaches():
    whole = run(changed(updates=3))
    small = run(changed(updates=3, tokens_per_pass=30))
    for one, other in zip(untimed(whole), untimed(small), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_the_first_pass_is_kept_where_the_step_is_about_all_answers():
    """The same numbers with one forward less; another minibatch size takes the other way."""
    config = changed(updates=2, minibatch_size=32, epochs=2)
    learner = Learner(config, letter_policy())
    forwards = []
    learner.policy.register_forward_hook(lambda *_: forwards.append(1))
    kept = run(config, learner=learner)
    assert len(forwards) == 4  # two updates of two passes, and none to freeze
    again = run(changed(updates=2, minibatch_size=32, epochs=2, tokens_per_pass=120))
    for one, other in zip(untimed(kept), untimed(again), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_while_the_critic_warms_up_the_policy_stays_and_then_it_learns():
    config = changed(updates=4, critic_warmup=2)
    learner = Learner(config, letter_policy())
    steps = train(config, learner, world_of(learner))
    next(steps), next(steps)
    assert next(steps)["kl"] == 0
    assert learner.policy.value_head.weight.abs().max() > 0
    assert next(steps)["kl"] != 0


def test_the_average_of_the_weights_follows_them_slowly_and_only_inside_its_block():
    config = changed(updates=3, ema=0.9)
    learner = Learner(config, letter_policy())
    start = [weight.detach().clone() for weight in learner.policy.trunk_parameters()]
    run(config, learner=learner)
    last = [weight.detach().clone() for weight in learner.policy.trunk_parameters()]
    with learner.averaged():
        mean = [weight.detach().clone() for weight in learner.policy.trunk_parameters()]
    distance = sum(((m - s) ** 2).sum() for m, s in zip(mean, start, strict=True))
    whole = sum(((w - s) ** 2).sum() for w, s in zip(last, start, strict=True))
    assert 0 < distance < whole
    for weight, value in zip(learner.policy.trunk_parameters(), last, strict=True):
        assert torch.equal(weight, value)


def test_texts_of_before_stay_likely_when_they_are_brought_to_mind():
    """The scorer wants a's; the texts are all d's."""

    def likelihood_of_d(reminded: bool) -> float:
        config = changed(updates=8)
        learner = Learner(config, letter_policy())
        tokenizer = letter_tokenizer()
        reminder = Reminder(["dddddd"] * 3, tokenizer, 5.0, 4, 16, seed=0) if reminded else None
        list(train(config, learner, world_of(learner, reminder=reminder)))
        return learner.policy.sequence_logprobs([tokenizer("dddd")["input_ids"]])[0][-1]

    assert likelihood_of_d(reminded=True) > likelihood_of_d(reminded=False) + 1


class Copied(TransformersGenerator):
    """An engine with weights of its own, as vLLM has them."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(copy.deepcopy(policy.causal_lm), letter_tokenizer())

    def sync(self, policy: object) -> None:
        assert isinstance(policy, Policy)
        self.model.load_state_dict(policy.causal_lm.state_dict())


def stale(config: PPOTraining, learner: Learner) -> Iterator[dict[str, float]]:
    world = World(letter_tokenizer(), Copied(learner.policy), share_of_a, PROMPTS)
    return train(config, learner, world)


def test_answers_sampled_one_step_before_teach_too_and_the_engine_is_seen_to_differ():
    config = changed(one_step_stale=True, importance_cap=2.0)
    metrics = list(stale(config, Learner(config, letter_policy())))
    assert metrics[0]["engine_gap"] < 1e-5 < metrics[2]["engine_gap"]
    assert metrics[-1]["score"] > 0.7


class Resting(Copied):
    """One that shares the policy's device: it can't answer while it makes room."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.rests = 0
        self.awake = True

    def generate(self, *asked: object) -> list[Generated]:
        assert self.awake
        return super().generate(*asked)

    def sync(self, policy: object) -> None:
        super().sync(policy)
        self.awake = True

    def rest(self) -> None:
        self.awake = False
        self.rests += 1


@pytest.mark.parametrize(("stale", "rests"), [(False, 3), (True, 1)])
def test_an_engine_rests_while_the_policy_learns_unless_it_samples_ahead(stale, rests):
    config = changed(updates=3, one_step_stale=stale)
    learner = Learner(config, letter_policy())
    engine = Resting(learner.policy)
    list(train(config, learner, World(letter_tokenizer(), engine, share_of_a, PROMPTS)))
    assert (engine.rests, engine.awake) == (rests, True)


def test_a_restart_finds_the_average_and_the_answers_that_were_sampled_ahead(tmp_path):
    config = changed(updates=6, one_step_stale=True, importance_cap=2.0, ema=0.9)
    whole = Learner(config, letter_policy())
    uninterrupted = list(stale(config, whole))
    first = Learner(config, letter_policy())
    steps = stale(config, first)
    began = [next(steps) for _ in range(3)]
    first.save(tmp_path)
    second = Learner(config, letter_policy())
    second.load(tmp_path)
    assert untimed(began + list(stale(config, second))) == untimed(uninterrupted)
    for one, other in zip(second.average, whole.average, strict=True):
        assert torch.equal(one, other)


def test_the_rate_falls_to_a_share_or_to_nothing_as_the_reference_lets_it():
    assert [changed(updates=3, anneal_to=0.5).rate(u) for u in range(3)] == [1.0, 0.75, 0.5]
    reference = changed(updates=4, anneal_to=0.0)
    assert [reference.rate(u) for u in range(4)] == [1.0, 0.75, 0.5, 0.25]
    assert changed(anneal=False).rate(7) == 1


def test_a_long_gradient_is_shortened_unless_that_is_switched_off():
    def norm_of_a_long_gradient(**settings):
        learner = Learner(changed(**settings), letter_policy())
        weights = learner.policy.trunk_parameters()
        for weight in weights:
            weight.grad = torch.full_like(weight, 10.0)
        learner.layout.clip_gradient(weights, learner.config.max_grad_norm)
        return torch.nn.utils.get_total_norm([weight.grad for weight in weights]).item()

    assert norm_of_a_long_gradient() == pytest.approx(1.0)
    assert norm_of_a_long_gradient(max_grad_norm=0.0) > 100


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"algorithm": "rloo"}, "set answers_per_prompt to 2"),
        ({"algorithm": "dpo", "answers_per_prompt": 4}, "dpo compares two answers"),
        ({"value_start": "reward_model"}, "can't start from the reward model"),
        ({"critic_warmup": 12}, "the policy never learns"),
        ({"ema": 1.0}, "below 1"),
        ({"dual_clip": 0.5}, "above 1, or 0"),
        ({"answers_per_prompt": 3}, "must divide minibatch_size=16"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        changed(**settings)
