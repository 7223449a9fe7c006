import math

import pytest
import torch
from torch import nn

from rewardmodel.learning import training
from rewardmodel.learning.learner import Learner
from rewardmodel.learning.losses import TIE_LOSSES, tie_log_chances
from rewardmodel.learning.model import RewardModel, initialise, load_trunk
from rewardmodel.learning.pairs import Example, Pair, fit
from rewardmodel.learning.schedules import rate_share
from rewardmodel.learning.settings import RewardTraining
from rewardmodel.learning.training import pair_losses, train
from tests.rewardmodel.learning.planted import planted_rows

NO_TIE = torch.tensor(0.0)


@pytest.fixture
def examples(chat) -> list[Example]:
    return fit([Pair(**row) for row in planted_rows(40)], chat, 512).examples


def learner(config: RewardTraining, tiny, examples: list[Example]) -> Learner:
    torch.manual_seed(config.seed)
    return Learner(config, RewardModel(load_trunk(tiny), padding=0), examples)


def losses(config: RewardTraining, tiny, examples: list[Example]) -> list[float]:
    made = learner(config, tiny, examples)
    return [metrics["loss"] for metrics in train(config, made, examples, [])]


def test_how_a_batch_is_split_into_passes_changes_no_result(tiny, examples):
    whole = RewardTraining(trainable="full", precision="fp32", tokens_per_pass=100_000)
    split = RewardTraining(trainable="full", precision="fp32", tokens_per_pass=64)
    assert losses(whole, tiny, examples) == pytest.approx(losses(split, tiny, examples), abs=1e-4)


def test_packed_and_padded_training_give_the_same_curve(tiny, examples):
    config = RewardTraining(trainable="full", precision="fp32")
    curves = []
    for packing in (True, False):
        torch.manual_seed(0)
        made = Learner(config, RewardModel(load_trunk(tiny), 0, packing=packing), examples)
        curves.append([metrics["loss"] for metrics in train(config, made, examples, [])])
    assert curves[0] == pytest.approx(curves[1], abs=1e-4)


def test_a_step_whose_loss_is_not_finite_changes_nothing_and_is_counted(tiny, examples):
    config = RewardTraining(trainable="full")
    made = learner(config, tiny, examples)
    before = {name: value.clone() for name, value in made.model.named_parameters()}
    poison = made.model.head.register_forward_hook(lambda *seen: seen[-1] * math.nan)
    metrics = training.learn(config, made, examples[:4])
    poison.remove()
    assert metrics["skipped"] == 1
    assert all(torch.equal(before[name], value) for name, value in made.model.named_parameters())
    assert math.isfinite(training.learn(config, made, examples[:4])["loss"])


def test_too_many_steps_that_are_not_finite_end_the_run_with_a_sentence(tiny, examples):
    config = RewardTraining(trainable="full", max_skipped=1, epochs=9)
    made = learner(config, tiny, examples)
    with torch.no_grad():
        made.model.head.weight.fill_(math.nan)
    with pytest.raises(ValueError, match=r"not a finite number in 2 steps; lower learning_rate"):
        list(train(config, made, examples, []))


def test_a_pair_counts_by_its_weight(examples):
    def weighted(weight: float) -> float:
        pair = Pair(**{**planted_rows(1)[0], "weight": weight})
        config = RewardTraining(centring=0.5)
        example = Example(pair, examples[0].group)
        return pair_losses(config, torch.tensor([[1.0, 0.5]]), [example], NO_TIE).item()

    assert weighted(3.0) == pytest.approx(3 * weighted(1.0))


def test_the_strength_of_a_label_becomes_a_margin(examples):
    scores = torch.tensor([[1.0, 0.5]])
    config = RewardTraining(margin_scale=2.0, centring=0.0)
    found = pair_losses(config, scores, examples[:1], NO_TIE).item()  # planted margin 0.5
    assert found == pytest.approx(math.log(1 + math.exp(-(1.0 - 0.5 - 2.0 * 0.5))))


@pytest.mark.parametrize(
    ("setting", "pair", "flipped", "extra"),
    [
        ({}, {}, 0.0, 0.0),
        ({"label_smoothing": 0.2}, {}, 0.2, 0.0),
        ({}, {"preference": 0.7}, 0.3, 0.0),
        ({"label_smoothing": 0.2}, {"preference": 0.7}, 0.7 * 0.2 + 0.3 * 0.8, 0.0),
        ({"centring": 0.5}, {}, 0.0, 0.5 * 3.0**2),
    ],
)
def test_each_setting_of_the_loss_reaches_the_training(examples, setting, pair, flipped, extra):
    example = Example(Pair(**{**planted_rows(1)[0], **pair}), examples[0].group)
    config = RewardTraining(**{"centring": 0.0, **setting})
    found = pair_losses(config, torch.tensor([[2.0, 1.0]]), [example], NO_TIE).item()
    right, wrong = math.log(1 + math.exp(-1.0)), math.log(1 + math.exp(1.0))
    assert found == pytest.approx((1 - flipped) * right + flipped * wrong + extra)


@pytest.mark.parametrize(
    "setting", [{"label_smoothing": 0.3}, {"centring": 1.0}, {"loss": "davidson"}]
)
def test_each_setting_of_the_loss_changes_what_is_learned(tiny, chat, setting):
    rows = [{**row, "tie": 0.2, "preference": 0.9} for row in planted_rows(40)]
    examples = fit([Pair(**row) for row in rows], chat, 512).examples

    def learned(**settings) -> torch.Tensor:
        config = RewardTraining(trainable="full", learning_rate=1e-3, **settings)
        made = learner(config, tiny, examples)
        list(train(config, made, examples, []))
        return training.score(made, examples, config)

    assert not torch.allclose(learned(), learned(**setting), atol=1e-4)


@pytest.mark.parametrize("loss", TIE_LOSSES)
def test_ties_teach_how_often_people_prefer_neither(tiny, chat, loss):
    """Half of the pairs are ties of the same two answers: the model comes to expect as many."""
    rows = planted_rows(80)
    for row in rows[::2]:
        row |= {"rejected": row["chosen"] + " please", "preference": 0.5, "tie": 1.0}
    examples = fit([Pair(**row) for row in rows], chat, 512).examples
    config = RewardTraining(trainable="full", loss=loss, epochs=8, batch_size=8, learning_rate=3e-3)
    made = learner(config, tiny, examples)
    before = made.model.tie.item()
    curve = [metrics["loss"] for metrics in train(config, made, examples, [])]
    scores = training.score(made, examples, config)
    expected = tie_log_chances(scores[:, 0] - scores[:, 1], loss, made.model.tie.detach())[:, 1]
    assert curve[-1] < curve[0] - 0.1
    assert made.model.tie.item() != before
    assert expected.exp()[::2].mean() > 0.6
    assert expected.exp()[1::2].mean() < 0.4


@pytest.mark.parametrize(("tie", "words"), [(0.0, "is a tie"), (1.0, "anything but a tie")])
def test_a_loss_about_ties_is_refused_where_it_has_nothing_to_learn(tiny, chat, tie, words):
    rows = [{**row, "preference": 1 - tie / 2, "tie": tie} for row in planted_rows(40)]
    examples = fit([Pair(**row) for row in rows], chat, 512).examples
    with pytest.raises(ValueError, match=f"No answer .*{words}; choose the loss bradley-terry"):
        learner(RewardTraining(loss="davidson"), tiny, examples)


def test_undecided_pairs_are_neither_right_nor_wrong(tiny, chat):
    rows = [{**row, "preference": 0.5, "tie": 1.0} for row in planted_rows(4)] + planted_rows(8)[4:]
    examples = fit([Pair(**row) for row in rows], chat, 512).examples
    config = RewardTraining(trainable="full", loss="davidson", learning_rate=1e-9)
    made = learner(config, tiny, examples)
    told = training.learn(config, made, examples)["accuracy"]
    assert told == training.accuracy(training.score(made, examples[4:], config))
    assert math.isnan(training.learn(config, made, examples[:4])["accuracy"])


def test_equal_scores_are_half_right():
    assert training.accuracy(torch.tensor([[1.0, 1.0], [2.0, 1.0]])) == 0.75


def test_every_pair_is_learned_once_an_epoch(tiny, examples, monkeypatch):
    config = RewardTraining(trainable="full", epochs=2, batch_size=6)
    seen: list[int] = []

    def learn(config, made, batch):
        seen.extend(example.pair.id for example in batch)
        made.step += 1
        return {}

    monkeypatch.setattr(training, "learn", learn)
    list(train(config, learner(config, tiny, examples), examples, []))
    assert sorted(seen[:40]) == sorted(seen[40:]) == list(range(40))
    assert seen[:40] != seen[40:]


@pytest.mark.parametrize(("schedule", "last"), [("cosine", 0.1), ("linear", 0.1), ("constant", 1)])
def test_the_learning_rate_rises_then_follows_its_schedule(schedule, last):
    config = RewardTraining(schedule=schedule, warmup=0.1)
    rates = [rate_share(step, 100, config.schedule, config.warmup) for step in range(101)]
    assert rates[:10] == sorted(rates[:10])
    assert max(rates) == 1.0
    assert rates[-1] == pytest.approx(last)


def test_the_head_starts_with_the_spread_of_the_paper():
    torch.manual_seed(0)
    head = nn.Linear(9999, 1)
    initialise(head)
    assert head.bias.item() == 0
    assert head.weight.std().item() == pytest.approx(1 / math.sqrt(10_000), rel=0.05)


def test_the_model_gives_the_same_score_twice_while_it_trains(tiny, examples):
    model = RewardModel(load_trunk(tiny), padding=0).train()
    groups = [example.group for example in examples[:2]]
    first, second = (model.features(model.batch(groups)) for _ in range(2))
    assert torch.equal(model.judge(first), model.judge(second))


def test_a_frozen_trunk_reads_each_pair_once_however_many_epochs(tiny, examples):
    config = RewardTraining(trainable="head", epochs=4)
    made = learner(config, tiny, examples)
    read = []
    made.model.trunk.register_forward_pre_hook(
        lambda trunk, args, kwargs: read.append(len(kwargs["blocks"])), with_kwargs=True
    )
    list(train(config, made, examples, []))
    assert sum(read) == len(examples)


def test_features_kept_for_a_lone_head_change_no_score(tiny, examples):
    made = learner(RewardTraining(trainable="head", precision="fp32"), tiny, examples)
    made.standardise(examples[:8])
    groups = [example.group for example in examples[:3]]
    direct = made.model.judge(made.model.features(made.model.batch(groups))).view(-1, 2)
    torch.testing.assert_close(made.scores(examples[:3]), direct, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("trainable", "loss"),
    [("full", "bradley-terry"), ("head", "bradley-terry"), ("head", "davidson")],
)
def test_a_saved_learner_goes_on_to_the_same_curve(tiny, chat, tmp_path, trainable, loss):
    rows = [{**row, "preference": 0.9, "tie": 0.2} for row in planted_rows(40)]
    examples = fit([Pair(**row) for row in rows], chat, 512).examples
    config = RewardTraining(
        trainable=trainable, loss=loss, epochs=4, batch_size=8, evaluate_every=3
    )
    curve = []
    first = learner(config, tiny, examples)
    for metrics in train(config, first, examples[8:], examples[:8]):
        curve.append((metrics["loss"], metrics.get("test_accuracy")))
        if first.step == 7:
            first.save(tmp_path)
    second = learner(config, tiny, examples)
    second.load(tmp_path)
    rest = [
        (metrics["loss"], metrics.get("test_accuracy"))
        for metrics in train(config, second, examples[8:], examples[:8])
    ]
    assert rest == curve[7:]


def test_a_strong_ridge_makes_a_lone_head_say_nothing(tiny, examples):
    def spread(ridge: float) -> float:
        config = RewardTraining(trainable="head", epochs=40, ridge=ridge)
        made = learner(config, tiny, examples)
        list(train(config, made, examples, []))
        return training.score(made, examples, config).std().item()

    assert spread(1e5) < 0.2 * spread(0.0)


def test_what_is_not_chosen_follows_the_recipe():
    assert RewardTraining(trainable="full").epochs == 1
    assert RewardTraining(trainable="full", epochs=2).epochs == 2
    assert RewardTraining(trainable="full").trunk_share == 1.0
    assert RewardTraining().trunk_share < 1.0
