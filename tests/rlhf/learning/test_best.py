"""Which policy of a run becomes its result."""

import torch

from rewardmodel.learning.rundirectory import RunDirectory
from rlhf.learning.best import Best, Validated
from rlhf.learning.inputs import apart
from rlhf.learning.settings import PPOTraining
from tests.rlhf.learning.letters import letter_policy


def moved(policy, amount):
    with torch.no_grad():
        for weight in policy.trunk_parameters():
            weight.add_(amount)


def test_the_highest_score_is_kept_and_its_weights_come_back(tmp_path):
    policy, best = letter_policy("lora"), Best(RunDirectory(tmp_path))
    best.consider(Validated(1, [0.0, 1.0]), policy)
    expected = [weight.detach().clone() for weight in policy.trunk_parameters()]
    moved(policy, 1.0)
    best.consider(Validated(2, [0.0, 0.5]), policy)
    assert best.kept() == Validated(1, [0.0, 1.0])
    best.put_back(policy)
    for weight, before in zip(policy.trunk_parameters(), expected, strict=True):
        assert torch.equal(weight, before)
    moved(policy, 1.0)
    best.consider(Validated(3, [1.0, 1.0]), policy)
    assert best.kept().update == 3


def test_an_earlier_policy_is_the_result_only_if_it_is_better_beyond_chance(tmp_path):
    best = Best(RunDirectory(tmp_path))
    best.consider(Validated(5, [1.0, 2.0, 3.0, 4.0]), letter_policy())
    assert best.better_than(Validated(10, [0.9, 1.8, 3.1, 4.0])) is None
    assert best.better_than(Validated(10, [0.1, 0.9, 2.2, 3.0])).update == 5


def test_a_run_without_validation_has_nothing_to_choose(tmp_path):
    assert Best(RunDirectory(tmp_path)).better_than(Validated(1, [0.0, 0.0])) is None


def test_prompts_kept_from_training_come_from_all_parts_of_the_list():
    prompts = [[{"role": "user", "content": str(n)}] for n in range(64)]
    train, validation = apart(prompts, PPOTraining())
    assert len(validation) == 16
    assert len(train) == 48
    assert [prompts.index(one) for one in validation] == list(range(0, 64, 4))
    assert apart(prompts, PPOTraining(validate_every=0)) == (prompts, [])
    assert apart(prompts[:31], PPOTraining()) == (prompts[:31], [])
