"""Rankings: all pairs of a prompt in one batch element; and heads that judge aspects."""

import itertools
import math

import pytest
import torch

from rewardmodel.learning import training
from rewardmodel.learning.learner import Learner
from rewardmodel.learning.losses import preference_loss
from rewardmodel.learning.model import RewardModel, load_trunk
from rewardmodel.learning.pairs import Example, Pair, example_passes, fit, merged, read_pairs
from rewardmodel.learning.settings import OVERALL, RewardTraining
from rewardmodel.learning.training import learn, train
from tests.rewardmodel.learning.planted import planted_rows

PROMPT = [{"role": "user", "content": "the cat"}]
ANSWERS = ["please sit on the mat", "sit on a mat please today", "a mat", "rain today and the cat"]


def ranking(group: str, answers: list[str] = ANSWERS, first: int = 1000) -> list[Pair]:
    """All pairs of so many responses, the better one named first."""
    return [
        Pair(first + n, "train", PROMPT, better, worse, group=group)
        for n, (better, worse) in enumerate(itertools.combinations(answers, 2))
    ]


@pytest.fixture
def examples(chat) -> list[Example]:
    pairs = [Pair(**row) for row in planted_rows(6)]
    return fit([*pairs[:3], *ranking("r"), *pairs[3:]], chat, 512).examples


def made(config: RewardTraining, tiny, examples) -> Learner:
    torch.manual_seed(0)
    model = RewardModel(load_trunk(tiny), padding=0, heads=len(config.head_names))
    return Learner(config, model, examples)


FULL = RewardTraining(trainable="full", precision="fp32", batch_size=2)


def test_a_response_of_a_ranking_is_computed_once(examples):
    groups, places = merged(examples)
    assert [len(group.responses) for group in groups] == [2, 2, 2, 4, 2, 2, 2]
    of_ranking = [
        place for example, place in zip(examples, places, strict=True) if example.pair.group
    ]
    assert of_ranking == [list(two) for two in itertools.combinations(range(6, 10), 2)]


def test_a_ranking_scores_each_pair_as_alone(tiny, examples):
    learner = made(FULL, tiny, examples)
    together = learner.scores(examples)
    alone = torch.cat([learner.scores([example]) for example in examples])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_ranking_counts_once_however_many_pairs_it_has(tiny, examples):
    """The mean over its K(K-1)/2 pairs: the closed form of Ouyang et al. 2022, equation 1."""
    ranked = [example for example in examples if example.pair.group]
    assert sum(example.pair.weight for example in ranked) == pytest.approx(1)
    config = RewardTraining(trainable="full", precision="fp32", centring=0.0)
    learner = made(config, tiny, examples)
    scores = learner.scores(ranked)
    expected = preference_loss(scores[:, 0], scores[:, 1], torch.ones(6)).mean().item()
    assert learn(config, learner, ranked)["loss"] == pytest.approx(expected, abs=1e-6)


def test_a_ranking_is_one_element_of_a_batch_and_never_split(tiny, examples, monkeypatch):
    seen = []

    def learn(config, learner, batch):
        seen.append([example.pair.group for example in batch])
        learner.step += 1
        return {}

    monkeypatch.setattr(training, "learn", learn)
    list(train(FULL, made(FULL, tiny, examples), examples, []))
    assert len(seen) == 4  # seven elements, two at a time
    assert sorted(len(batch) for batch in seen) in ([1, 2, 2, 7], [2, 2, 2, 6])
    assert sorted(batch.count("r") for batch in seen) == [0, 0, 0, 6]
    assert [n for part in example_passes(examples, 1) if 4 in part for n in part] == [*range(3, 9)]


def test_pairs_of_a_ranking_lose_the_same_beginning_of_a_long_prompt(chat):
    long = [{"role": "user", "content": "the cat sat on a warm mat " * 30}]
    pairs = [Pair(**{**vars(pair), "prompt": long}) for pair in ranking("r")]
    found = fit(pairs, chat, 96)
    assert len({tuple(example.group.prompt) for example in found.examples}) == 1
    assert found.truncated_prompts == 6


def test_numbers_of_rankings_are_never_taken_for_those_of_pairs(chat):
    rows = [{**row, "group": 2 if row["id"] == 1 else None} for row in planted_rows(3)]
    examples = fit(read_pairs(enumerate(rows, 1)), chat, 512).examples
    assert [len(group.responses) for group in merged(examples)[0]] == [2, 2, 2]


def test_a_ranking_about_several_prompts_is_refused():
    rows = [{**row, "group": "r"} for row in planted_rows(3)]
    with pytest.raises(ValueError, match="The ranking r is about several prompts; mend"):
        read_pairs(enumerate(rows, 1))


def test_a_ranking_teaches_its_order(tiny, chat):
    pairs = [pair for n in range(8) for pair in ranking(f"r{n}", ANSWERS, first=100 * n)]
    examples = fit(pairs, chat, 512).examples
    config = RewardTraining(
        trainable="full", precision="fp32", epochs=12, learning_rate=3e-3, batch_size=4
    )
    learner = made(config, tiny, examples)
    list(train(config, learner, examples, []))
    assert training.accuracy(training.score(learner, examples[:6], config)) == 1


# Aspects ------------------------------------------------------------------------------------------


def judged(count: int) -> list[Pair]:
    """The chosen response says "please"; in the aspect "brief" the other one is better."""
    return [Pair(**row, aspects={"brief": 0.0}) for row in planted_rows(count)]


def test_each_aspect_has_a_head_and_the_score_is_their_stated_combination(tiny, chat):
    examples = fit(judged(80), chat, 512).examples
    config = RewardTraining(
        trainable="full", aspects={OVERALL: 3.0, "brief": 1.0}, epochs=6, learning_rate=3e-3
    )
    learner = made(config, tiny, examples)
    list(train(config, learner, examples, []))
    said = training.opinions(learner, examples, config)  # (n, 2, 2)
    overall, brief = said.unbind(-1)
    assert training.accuracy(overall) > 0.9
    assert training.accuracy(brief) < 0.1
    torch.testing.assert_close(
        training.score(learner, examples, config), 0.75 * overall + 0.25 * brief
    )


def test_a_head_learns_nothing_from_pairs_on_whose_aspect_nobody_spoke(tiny, chat):
    pairs = [Pair(**row) for row in planted_rows(8)]
    pairs[0] = judged(1)[0]
    examples = fit(pairs, chat, 512).examples
    config = RewardTraining(trainable="full", aspects={OVERALL: 1.0, "brief": 1.0})
    learner = made(config, tiny, examples)
    learn(config, learner, examples[1:])
    before = learner.optimizer.state[learner.model.head.weight]["exp_avg"][1].clone()
    assert before.abs().max() == 0
    learn(config, learner, examples[:1])
    assert learner.optimizer.state[learner.model.head.weight]["exp_avg"][1].abs().max() > 0


def test_the_loss_of_an_aspect_is_that_of_its_own_share(examples):
    pair = Pair(**planted_rows(1)[0], aspects={"brief": 0.25})
    asked = training.asked_about("brief", [Example(pair, examples[0].group)])
    config = RewardTraining(aspects={"brief": 1.0}, centring=0.0, margin_scale=2.0)
    found = training.pair_losses(config, torch.tensor([[2.0, 1.0]]), asked, torch.tensor(0.0))
    right, wrong = math.log(1 + math.exp(-1.0)), math.log(1 + math.exp(1.0))
    assert found.item() == pytest.approx(0.25 * right + 0.75 * wrong)


def test_aspects_that_nobody_judged_and_heads_beside_aspects_are_refused(tiny, examples):
    config = RewardTraining(aspects={"brief": 1.0})
    with pytest.raises(ValueError, match="Nobody judged the aspect 'brief'; take it out"):
        made(config, tiny, examples)
    for wrong in ({"aspects": {"brief": 0.0}}, {"aspects": {"brief": 1.0}, "heads": 2}):
        with pytest.raises(ValueError, match="Each aspect has a weight above 0"):
            RewardTraining(**wrong)
