"""PPO: that it learns, what holds it back, and that it can be interrupted."""

from collections.abc import Iterator

import pytest
import torch

from rlhf.learning.learner import Learner
from rlhf.learning.minibatches import minibatches
from rlhf.learning.ppo import train
from rlhf.learning.rollouts import Rollout, prompts_for, seeds_for
from rlhf.learning.settings import PPOTraining
from tests.rlhf.learning.letters import QUICK, changed, letter_policy, run, untimed, world_of


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_ppo_learns_what_the_scorer_likes_and_a_strong_kl_penalty_stops_it():
    free = run(changed(kl_coef=0.0))
    held = run(changed(kl_coef=10.0))
    assert free[0]["score"] == held[0]["score"] < 0.4
    assert free[-1]["score"] > 0.8
    assert held[-1]["score"] < 0.4
    assert free[-1]["kl"] > 3 > 0.5 > abs(held[-1]["kl"])


@pytest.mark.parametrize("seed", [1, 2])
def test_other_seeds_learn_too(seed):
    config = changed(seed=seed)
    assert run(config, learner=Learner(config, letter_policy(seed=seed)))[-1]["score"] > 0.7


def test_adapters_learn_too_and_leave_everything_else_alone():
    config = changed(tuning="lora", learning_rate=3e-2)
    policy = letter_policy("lora")
    frozen = {n: w.clone() for n, w in policy.named_parameters() if not w.requires_grad}
    metrics = run(config, learner=Learner(config, policy))
    assert metrics[-1]["score"] > metrics[0]["score"] + 0.1
    assert all(torch.equal(dict(policy.named_parameters())[n], w) for n, w in frozen.items())


def test_before_the_first_step_of_every_update_nothing_has_moved():
    for row in run(changed(updates=4)):
        assert row["ratio_first"] == 1


def test_the_first_update_starts_at_the_reference():
    assert run(changed(updates=1))[0]["kl"] == 0


def test_log_probabilities_that_moved_before_the_first_step_stop_the_run(monkeypatch):
    def drifting(*arguments: object) -> Rollout:
        frozen = freeze(*arguments)
        frozen.logprobs.mul_(1.01)
        return frozen

    from rlhf.learning.rollouts import freeze

    monkeypatch.setattr("rlhf.learning.ppo.freeze", drifting)
    with pytest.raises(RuntimeError, match="wrong ratios"):
        run(changed(updates=1))


def test_the_curve_after_a_restart_is_the_curve_without_one(tmp_path):
    config = changed(updates=6, kl_coef=0.1, kl_target=2.0, scale_scores=True)
    uninterrupted = run(config)

    first = Learner(config, letter_policy())
    steps = train(config, first, world_of(first))
    began = [next(steps) for _ in range(3)]
    first.save(tmp_path)

    second = Learner(config, letter_policy())
    second.load(tmp_path)
    assert untimed(began + run(config, learner=second)) == untimed(uninterrupted)


def test_an_adaptive_price_rises_when_the_policy_runs_away():
    metrics = run(changed(kl_coef=0.01, kl_target=0.1, kl_horizon=32))
    assert metrics[-1]["kl_coef"] > metrics[0]["kl_coef"]


def test_passes_end_when_the_policy_is_too_far_from_the_one_that_sampled():
    unbounded = run(changed(updates=2))
    bounded = run(changed(updates=2, stop_kl=1e-3))
    assert unbounded[0]["optimizer_steps"] == 6
    assert bounded[0]["optimizer_steps"] < 6


def test_steps_without_a_finite_gradient_are_skipped_and_counted():
    learner = Learner(QUICK, letter_policy())
    before = [weight.clone() for weight in learner.policy.trunk_parameters()]
    (sum(w.sum() for w in learner.policy.parameters()) * float("nan")).backward()
    learner.descend()
    assert learner.skipped == 1
    for weight, old in zip(learner.policy.trunk_parameters(), before, strict=True):
        assert torch.equal(weight, old)


def test_a_run_whose_scores_are_never_finite_is_given_up():
    def broken(conversations: object, responses: list[str]) -> list[float]:
        return [float("nan")] * len(responses)

    with pytest.raises(ValueError, match="not a finite number"):
        run(changed(updates=3), broken)


def test_answers_that_were_cut_pay_when_asked_to():
    def indifferent(conversations: object, responses: list[str]) -> list[float]:
        return [0.0] * len(responses)

    taught = run(changed(missing_eos_penalty=1.0), indifferent)
    assert taught[-1]["eos_rate"] > taught[0]["eos_rate"] + 0.2


def test_the_critic_learns_to_foresee_the_score():
    def length(conversations: object, responses: list[str]) -> list[float]:
        return [float(len(text)) for text in responses]

    metrics = run(changed(updates=25, learning_rate=1e-4, lam=1.0, value_clip=10.0), length)
    assert metrics[-1]["explained_variance"] > metrics[0]["explained_variance"] + 0.1


def test_every_answer_is_used_once_a_pass_and_the_first_pass_keeps_the_order():
    rows = [part.tolist() for part in minibatches(QUICK, update=0)]
    passes = [rows[i] + rows[i + 1] for i in (0, 2, 4)]
    assert passes[0] == list(range(32))
    assert all(sorted(one) == list(range(32)) for one in passes)
    assert passes[1] != passes[2]


def test_every_prompt_is_used_before_any_is_used_again():
    seen = [i for update in range(5) for i in prompts_for(0, update, count=4, available=10)]
    assert sorted(seen[:10]) == sorted(seen[10:20]) == list(range(10))
    assert seen[:10] != seen[10:20]


def test_seeds_differ_between_updates_and_runs_but_not_between_repetitions():
    assert seeds_for(0, 1, 4) == seeds_for(0, 1, 4)
    assert len({*seeds_for(0, 1, 4), *seeds_for(0, 2, 4), *seeds_for(1, 1, 4)}) == 12


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"batch_size": 10, "minibatch_size": 4}, "must divide"),
        ({"updates": 0}, "updates=0 must be at least 1"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0 must be above 0"),
        ({"kl_coef": -0.1}, "kl_coef=-0.1 must not be negative"),
        ({"gamma": 1.5}, "between 0 and 1"),
        ({"tuning": "some"}, "'lora' or 'full' or 'top'"),
        ({"kl_estimator": "k9"}, "'k1' or 'k2' or 'k3'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        PPOTraining(**settings)
