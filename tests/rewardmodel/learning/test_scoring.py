"""Several heads, and what is scored with them."""

import io
import json
import shutil
import signal

import pytest
import torch
from django.core.management import CommandError, call_command

from rewardmodel.learning import training
from rewardmodel.learning.__main__ import main
from rewardmodel.learning.artifact import load_scorer
from rewardmodel.learning.learner import Learner
from rewardmodel.learning.model import RewardModel as Judge
from rewardmodel.learning.model import load_trunk
from rewardmodel.learning.pairs import Pair, fit
from rewardmodel.learning.scoring import ROWS_AT_A_TIME, scored
from rewardmodel.learning.settings import RewardTraining
from rewardmodel.learning.training import draws, train
from tests.cast import trained
from tests.rewardmodel.learning.planted import planted_rows, write_run

QUESTION = [{"role": "user", "content": "the cat sat"}]


@pytest.fixture(scope="module")
def result(tiny, tmp_path_factory):
    """A model with four heads."""
    previous = signal.getsignal(signal.SIGTERM)
    run = write_run(tmp_path_factory.mktemp("heads"), tiny, planted_rows(120), heads=4, epochs=6)
    assert main(run) == 0
    signal.signal(signal.SIGTERM, previous)
    return run / "result"


@pytest.fixture
def finished(result, campaign, policy, tmp_path):
    kept = shutil.copytree(result, tmp_path / "kept")
    return trained(campaign, policy, checkpoint=f"file://{kept}")


def lines(*rows):
    return [json.dumps(row) + "\n" for row in rows]


def test_the_score_is_the_mean_of_the_heads_and_the_uncertainty_their_spread(result):
    scorer = load_scorer(result)
    card = scorer.card
    [(score, uncertainty)] = scorer.judge([QUESTION], ["please"])
    [example] = fit([Pair(1, "test", QUESTION, "please", "mat")], scorer.chat, 512).examples
    batch = scorer.model.batch([example.group])
    raw = scorer.model.opinions(scorer.model.features(batch))[0]  # (4,)
    normal = (raw - torch.tensor(card.head_means)) / card.std
    assert score == pytest.approx(normal.mean().item(), abs=0.05)
    assert uncertainty == pytest.approx(normal.std().item(), abs=0.05)
    assert uncertainty > 0
    assert sum(card.head_means) / 4 == pytest.approx(card.mean, abs=1e-4)


def test_a_level_of_its_own_makes_no_head_unsure(result):
    scorer = load_scorer(result)
    before = scorer.judge([QUESTION], ["please"])[0][1]
    scorer.model.head.bias += torch.tensor([5.0, -3.0, 0.0, 1.0])
    scorer.card.head_means[:] = [
        mean + more
        for mean, more in zip(scorer.card.head_means, [5.0, -3.0, 0.0, 1.0], strict=True)
    ]
    assert scorer.judge([QUESTION], ["please"])[0][1] == pytest.approx(before, abs=1e-3)


def test_heads_have_samples_of_their_own_that_stay_the_same(chat):
    examples = fit([Pair(**row) for row in planted_rows(400)], chat, 512).examples
    config = RewardTraining(heads=3)
    counts = draws(config, examples)
    assert counts.shape == (400, 3)
    assert counts.mean().item() == pytest.approx(1, abs=0.1)
    assert (counts == 0).float().mean().item() == pytest.approx(0.368, abs=0.06)
    assert not torch.equal(counts[:, 0], counts[:, 1])
    assert torch.equal(draws(config, examples[7:9]), counts[7:9])
    assert draws(RewardTraining(), examples).unique().tolist() == [1.0]


def test_heads_agree_more_the_more_pairs_they_have_learned(tiny, chat):
    def spread(count: int) -> float:
        examples = fit([Pair(**row) for row in planted_rows(count)], chat, 512).examples
        asked = fit([Pair(**row) for row in planted_rows(40, seed=9)], chat, 512).examples
        config = RewardTraining(heads=5, epochs=8, evaluate_every=0, ridge=1.0)
        torch.manual_seed(0)
        made = Learner(config, Judge(load_trunk(tiny), 0, heads=5), examples)
        list(train(config, made, examples, []))
        made.kept = {}  # numbers of the new pairs are those of learned ones
        said = training.opinions(made, asked, config)  # (n, 2, 5)
        lead = said[:, 0] - said[:, 1]
        return (lead.std(1) / lead.mean(1).abs().mean()).mean().item()

    assert spread(320) < spread(20)


def test_scoring_many_rows_is_scoring_each_and_keeps_what_else_they_hold(result):
    scorer = load_scorer(result)
    rows = [
        {"prompt": QUESTION if n % 2 else "the cat sat", "response": f"please {n}", "n": n}
        for n in range(ROWS_AT_A_TIME + 3)
    ]
    found = list(scored(lines(*rows), scorer))
    assert [row["n"] for row in found] == list(range(len(rows)))
    for place in (0, ROWS_AT_A_TIME):
        [(score, _)] = scorer.judge([QUESTION], [rows[place]["response"]])
        assert found[place]["score"] == pytest.approx(score, abs=0.05)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "Line 3 is not JSON"),
        ('{"prompt": "a"}', "Line 3 has no response"),
        ('{"prompt": "a", "response": " "}', "Line 3 has an empty response"),
        ('{"response": "a"}', "Line 3 has no prompt"),
        (
            '{"prompt": [{"role": "judge", "content": "x"}], "response": "a"}',
            "Line 3 has no prompt",
        ),
    ],
)
def test_a_line_that_can_not_be_scored_is_named_and_those_before_it_are_given(
    result, line, sentence
):
    good = lines({"prompt": "a", "response": "b"})[0]
    found = scored([good, "\n", line, good], load_scorer(result))
    assert next(found)["response"] == "b"
    with pytest.raises(ValueError, match=sentence):
        next(found)


def test_the_command_writes_a_row_for_each_row(finished, tmp_path):
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_text("".join(lines({"prompt": "a", "response": "please"}) * 3))
    with given.open() as source, out.open("w") as target:
        call_command("score", str(finished.pk), input=source, stdout=target)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 3
    assert all(row["uncertainty"] >= 0 for row in rows)
    assert len({row["score"] for row in rows}) == 1


def test_the_command_names_a_bad_line_or_a_model_that_is_not_there(finished):
    with pytest.raises(CommandError, match="Line 1 is not JSON"):
        call_command("score", str(finished.pk), input=io.StringIO("{"))
    with pytest.raises(CommandError, match="no finished reward model 999999"):
        call_command("score", "999999")


class TestPairs:
    """What a pair's heads differ about is said for the pair, not for each response."""

    def test_leads_are_the_differences_of_the_heads_in_log_odds(self, result):
        scorer = load_scorer(result)
        texts = "please", "mat"
        [lead] = scorer.leads([QUESTION], [texts])
        one, other = (
            scorer.opinions_on_tokens([scorer.chat.prompt(QUESTION)], [scorer.chat.response(text)])[
                0
            ]
            for text in texts
        )
        wanted = (one - other) * scorer.card.std / scorer.card.temperature
        assert torch.allclose(lead, wanted, atol=0.05)
        assert torch.allclose(scorer.leads([QUESTION], [texts[::-1]])[0], -lead, atol=0.05)

    def test_the_command_gives_each_pair_its_leads(self, finished, tmp_path):
        asked, told = tmp_path / "pairs.jsonl", tmp_path / "leads.jsonl"
        row = {"prompt": QUESTION, "responses": ["please", "mat"], "kept": 1}
        asked.write_text("".join(lines(row, row)), encoding="utf-8")
        call_command(
            "score", str(finished.pk), "--pairs", "--input", str(asked), "--output", str(told)
        )
        told_rows = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
        assert [len(each["leads"]) for each in told_rows] == [4, 4]
        assert told_rows[0]["kept"] == 1
