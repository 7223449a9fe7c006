"""Settings, steps and schedules of supervised fine-tuning."""

import math

import pytest
import torch

from rewardmodel.learning.batches import Group
from rlhf.learning.sft.demonstrations import Demonstration
from rlhf.learning.sft.student import Student
from rlhf.learning.sft.training import Learner, SFTTraining, batch_of, gradients, mean_loss, train
from tests.tiny_model import make_tiny_model

DEMONSTRATIONS = [
    Demonstration(n, [], Group([5, 6, 10 + n], [[100 + n, 50, *([7] * (n % 4)), 2]]))
    for n in range(24)
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("student"))


def learner(tiny, config):
    student = Student.load(tiny, config.tuning, config.lora_rank, config.seed, True, "fp32")
    return Learner(config, student, len(DEMONSTRATIONS))


# Adapters leave the embedding as it is, which here is random: they can learn less.
@pytest.mark.parametrize(("tuning", "rate", "share"), [("full", 3e-3, 0.5), ("lora", 2e-2, 0.95)])
def test_what_is_shown_is_learned(tiny, tuning, rate, share):
    config = SFTTraining(
        tuning=tuning, learning_rate=rate, epochs=12, batch_size=8, evaluate_every=6
    )
    made = learner(tiny, config)
    before = mean_loss(made.student, DEMONSTRATIONS, 64)
    told = list(train(config, made, DEMONSTRATIONS, DEMONSTRATIONS[:4]))
    assert [line["step"] for line in told] == list(range(1, 37))
    assert mean_loss(made.student, DEMONSTRATIONS, 64) < before * share
    assert [line["step"] for line in told if "test_loss" in line] == [6, 12, 18, 24, 30, 36]


def test_the_size_of_a_pass_changes_neither_loss_nor_gradient(tiny):
    seen = []
    for budget in (1, 20, 10_000):
        made = learner(tiny, SFTTraining(tuning="full", tokens_per_pass=budget))
        loss = gradients(made, DEMONSTRATIONS)
        seen.append((loss, torch.cat([w.grad.flatten() for w in made.student.learning()])))
    for loss, gradient in seen[1:]:
        assert loss == pytest.approx(seen[0][0], abs=1e-5)
        assert torch.allclose(gradient, seen[0][1], atol=1e-5)


def test_every_demonstration_is_seen_once_an_epoch_in_another_order(tiny):
    config = SFTTraining(epochs=2, batch_size=8)
    made = learner(tiny, config)
    seen = []
    for step in range(made.steps):
        made.step = step
        seen += batch_of(config, made, len(DEMONSTRATIONS))
    assert sorted(seen[:24]) == sorted(seen[24:]) == list(range(24))
    assert seen[:24] != seen[24:]


def test_a_step_that_is_not_finite_is_skipped_and_counted(tiny):
    config = SFTTraining(epochs=1, batch_size=4, max_skipped=2)
    made = learner(tiny, config)
    broken = made.student.learning()[0]
    kept = [weight.detach().clone() for weight in made.student.learning()]
    hook = broken.register_hook(lambda gradient: gradient * math.nan)
    steps = train(config, made, DEMONSTRATIONS, [])
    assert next(steps)["skipped"] == 1
    assert next(steps)["skipped"] == 2
    for weight, old in zip(made.student.learning(), kept, strict=True):
        assert torch.equal(weight, old)
    hook.remove()
    assert next(steps)["skipped"] == 2
    broken.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(ValueError, match="not a finite number in 3 steps"):
        next(steps)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tuning": "half"}, "tuning is 'half'; it must be one of lora, full."),
        ({"schedule": "steep"}, "must be one of cosine, linear, constant"),
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"learning_rate": -1.0}, "must be above 0"),
        ({"weight_decay": -0.1}, "must not be negative"),
        ({"warmup": 1.0}, r"must be in \[0, 1\)"),
        ({"max_length": 4}, "at least 16 tokens"),
    ],
)
def test_settings_that_can_not_work_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        SFTTraining(**settings)


def test_adapters_and_whole_weights_have_their_own_learning_rate():
    assert SFTTraining().learning_rate == 2e-4
    assert SFTTraining(tuning="full").learning_rate == 2e-5
    assert SFTTraining(tuning="full", learning_rate=1e-3).learning_rate == 1e-3
