"""The program as its caller sees it: a directory, exit codes, signals."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from rewardmodel.learning.__main__ import main
from rewardmodel.learning.artifact import load_scorer
from rewardmodel.learning.rundirectory import RunDirectory
from tests.rewardmodel.learning.planted import planted_rows, write_run

FAST = {
    "trainable": "full",
    "batch_size": 16,
    "learning_rate": 3e-3,
    "epochs": 3,
    "evaluate_every": 10,
}
NOT_REPEATABLE = ("seconds", "tokens_per_second")


@pytest.fixture(autouse=True)
def same_signal_handler_after():
    previous = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, previous)


@pytest.fixture(scope="module")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that nothing disturbed."""
    previous = signal.getsignal(signal.SIGTERM)
    run = write_run(tmp_path_factory.mktemp("trained"), tiny, planted_rows(300), **FAST)
    assert main(run) == 0
    signal.signal(signal.SIGTERM, previous)
    return run


def start(run: Path) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "rewardmodel.learning", str(run)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_steps(run: Path, steps: int) -> None:
    until = time.monotonic() + 120
    while len(RunDirectory(run).metrics()) < steps:
        assert time.monotonic() < until, "the program told nothing"
        time.sleep(0.005)


def curve(run: Path) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in line.items() if name not in NOT_REPEATABLE}
        for line in RunDirectory(run).metrics()
    ]


def figures(run: Path) -> dict[str, Any]:
    return json.loads((run / "result" / "result.json").read_text())


def test_it_learns_a_planted_preference(trained: Path):
    found = figures(trained)
    assert found["accuracy"] > 0.9
    assert found["accuracy_low"] <= found["accuracy"] <= found["accuracy_high"] + 1e-9
    assert (found["train_pairs"], found["test_pairs"]) == (240, 60)
    assert found["majority_baseline"] == 0.5
    assert curve(trained)[0]["loss"] > curve(trained)[-1]["loss"]


def test_it_learns_without_being_told_how(tiny: Path, tmp_path: Path):
    run = write_run(tmp_path / "run", tiny, planted_rows(300))
    assert main(run) == 0
    found = figures(run)
    assert found["accuracy"] > 0.9
    curve = found["report"]["learning_curve"]
    assert [point["pairs"] for point in curve["points"]] == [30, 60, 120, 240]
    assert curve["points"][-1]["accuracy"] == found["accuracy"]
    assert curve["points"][0]["accuracy"] < found["accuracy"]
    assert curve["doubling"] > 0
    assert curve["more_pairs"] == 240


def test_the_result_says_what_it_thinks_of_each_held_out_pair(trained: Path):
    lines = (trained / "result" / "predictions.jsonl").read_text().splitlines()
    said = {row["id"]: row["scores"] for row in map(json.loads, lines)}
    rows = [row for row in planted_rows(300) if row["split"] == "test"]
    assert said.keys() == {row["id"] for row in rows}
    right = sum(chosen > rejected for chosen, rejected in said.values())
    assert right / len(rows) == pytest.approx(figures(trained)["accuracy"])
    scorer = load_scorer(trained / "result")
    again = scorer.score([row["prompt"] for row in rows], [row["chosen"] for row in rows])
    assert again == pytest.approx([said[row["id"]][0] for row in rows], abs=0.05)


def test_the_model_card_holds_the_figures_and_the_words_of_nobody(tiny: Path, tmp_path: Path):
    rows = [{**row, "category": "a | `b`\n# c", "votes": [2, 0, 1]} for row in planted_rows(120)]
    about = {"campaign": "Help | `ful`", "snapshot": "abc"}
    run = write_run(tmp_path / "run", tiny, rows, **FAST, about=about)
    assert main(run) == 0
    card = (run / "result" / "README.md").read_text()
    found = figures(run)
    assert f"| accuracy | {found['accuracy']:.1%} (95 % interval" in card
    assert "| two labelers agree | 33.3% (95 % interval" in card
    assert "| a / 'b' # c | 24 |" in card
    assert "| campaign | `Help / 'ful'` |" in card
    assert "| `epochs` | `3` |" in card
    assert "ridge" not in card  # of a lone head only


def test_the_result_scores_the_planted_word_and_has_mean_zero(trained: Path):
    scorer = load_scorer(trained / "result")
    rows = [row for row in planted_rows(300) if row["split"] == "test"]
    prompts = [row["prompt"] for row in rows]
    chosen = scorer.score(prompts, [row["chosen"] for row in rows])
    rejected = scorer.score(prompts, [row["rejected"] for row in rows])
    assert sum(a > b for a, b in zip(chosen, rejected, strict=True)) / len(rows) > 0.9
    assert sum(chosen + rejected) == pytest.approx(0, abs=1.0)  # sum of 120 scores


def test_scoring_many_is_scoring_each(trained: Path):
    scorer = load_scorer(trained / "result")
    prompts = [row["prompt"] for row in planted_rows(5)] * 2
    answers = [row["chosen"] for row in planted_rows(5)] + ["no"] * 5
    together = scorer.score(prompts, answers)
    alone = [scorer.score([p], [a])[0] for p, a in zip(prompts, answers, strict=True)]
    assert together == pytest.approx(alone, abs=0.05)  # bfloat16 where the processor has it


def test_a_policy_with_another_template_or_other_tokens_is_refused(trained: Path):
    scorer = load_scorer(trained / "result")
    tokenizer = scorer.chat.tokenizer
    scorer.check_matches(tokenizer)
    template, tokenizer.chat_template = tokenizer.chat_template, "{{ messages }}"
    with pytest.raises(ValueError, match="chat templates"):
        scorer.check_matches(tokenizer)
    tokenizer.chat_template = template
    tokenizer.add_tokens(["brandnewword"])
    with pytest.raises(ValueError, match="tokenizers"):
        scorer.check_matches(tokenizer)


def test_ties_reach_the_figures_and_the_result(tiny: Path, tmp_path: Path):
    rows = planted_rows(300)
    for row in rows[::3]:
        row |= {"rejected": row["chosen"] + " please", "preference": 0.5, "tie": 1.0}
    run = write_run(tmp_path / "run", tiny, rows, **{**FAST, "epochs": 6}, loss="davidson")
    assert main(run) == 0
    found = figures(run)
    assert (found["train_pairs"], found["test_pairs"], found["undecided_pairs"]) == (240, 40, 100)
    assert found["tie_share"] == pytest.approx(1 / 3)
    assert found["tie_share_expected"] == pytest.approx(1 / 3, abs=0.15)
    assert found["outcome_surprise"] < found["constant_surprise"]
    scorer = load_scorer(run / "result")
    assert (scorer.card.loss, scorer.card.tie) == ("davidson", found["tie_parameter"])
    assert scorer.model.tie.exp().item() == pytest.approx(found["tie_parameter"])


def test_labels_are_chosen_for_learning_and_what_people_said_stays_the_measure(
    tiny: Path, tmp_path: Path
):
    rows = planted_rows(150)
    for row in rows:
        row |= {"preference": 0.75, "votes": [3, 0, 1]}
    run = write_run(tmp_path / "run", tiny, rows, **FAST, labels="posterior")
    assert main(run) == 0
    assert figures(run)["flip_rate"] == pytest.approx(0.45)  # three and one agree half of the time
    lines = (run / "result" / "predictions.jsonl").read_text().splitlines()
    assert {json.loads(line)["preference"] for line in lines} == {0.75}


def test_labelers_are_weighed_and_the_figures_tell_of_all_together(tiny: Path, tmp_path: Path):
    rows = planted_rows(150)
    chance = random.Random(0)
    for row in rows:
        skills = {"expert": 0.95, "usual": 0.8, "coin": 0.5}
        answers = {name: 1 if chance.random() < p else -1 for name, p in skills.items()}
        row["ballots"] = [
            [name, answer, chance.choice([-1, 1])] for name, answer in answers.items()
        ]
        for_it = sum(answer > 0 for answer in answers.values())
        if for_it < 2:
            row |= {"chosen": row["rejected"], "rejected": row["chosen"]}
            row["ballots"] = [[name, -answer, -side] for name, answer, side in row["ballots"]]
        row |= {"preference": max(for_it, 3 - for_it) / 3}
        row |= {"votes": [max(for_it, 3 - for_it), 0, min(for_it, 3 - for_it)]}
    run = write_run(tmp_path / "run", tiny, rows, **FAST, labels="labelers")
    assert main(run) == 0
    found = figures(run)
    assert found["labelers"] == 3
    assert found["labeler_skill_lowest"] < 0.7 < 0.85 < found["labeler_skill_highest"]
    assert "expert" not in (run / "result" / "README.md").read_text()


def test_aspects_reach_the_score_the_card_and_the_report(tiny: Path, tmp_path: Path):
    rows = [{**row, "aspects": {"brief": 0.0}} for row in planted_rows(300)]
    weights = {"overall": 3, "brief": 1}
    run = write_run(tmp_path / "run", tiny, rows, **FAST, aspects=weights)
    assert main(run) == 0
    [row] = figures(run)["report"]["slices"]["aspect"]
    assert (row["name"], row["pairs"]) == ("brief", 60)
    assert row["accuracy"] > 0.9  # its own head says the reverse of the whole answer's
    told = (run / "result" / "README.md").read_text()
    assert "| brief | 60 |" in told
    assert "one head for each aspect: 75.0% overall, 25.0% brief." in told
    scorer = load_scorer(run / "result")
    assert scorer.model.shares.tolist() == [0.75, 0.25]
    assert scorer.card.aspects == weights
    [(_, uncertainty)] = scorer.judge([rows[0]["prompt"]], ["please"])
    assert uncertainty is None  # heads of aspects differ because aspects do


def test_without_weights_the_score_itself_is_measured_in_each_aspect(tiny: Path, tmp_path: Path):
    rows = [{**row, "aspects": {"brief": 0.25}} for row in planted_rows(300)]
    run = write_run(tmp_path / "run", tiny, rows, **FAST)
    assert main(run) == 0
    [row] = figures(run)["report"]["slices"]["aspect"]
    assert row["accuracy"] == pytest.approx(1 - figures(run)["accuracy"])


def test_it_is_compared_with_the_model_in_use_on_the_same_held_out_pairs(
    tiny: Path, trained: Path, tmp_path: Path
):
    rows = planted_rows(300)
    for row in rows:  # people have changed their minds: "please" is what they dislike now
        row |= {"chosen": row["rejected"], "rejected": row["chosen"]}
    told = {"reward_model": 7, "folder": str(trained / "result")}
    run = write_run(tmp_path / "run", tiny, rows, **FAST, beside=told)
    assert main(run) == 0
    found = figures(run)["beside"]
    assert found.pop("reward_model") == 7
    assert sum(found.values()) == 60
    right = found["both_right"] + found["only_new"]
    assert right == pytest.approx(60 * figures(run)["accuracy"])
    assert found["only_new"] > 50
    again = write_run(tmp_path / "again", tiny, planted_rows(300), **FAST, beside=told)
    assert main(again) == 0
    same = figures(again)["beside"]
    assert (same["only_new"], same["only_other"]) == (0, 0)  # the same seed, the same model


def test_without_a_loss_about_ties_undecided_pairs_are_left_out_and_counted(
    tiny: Path, tmp_path: Path
):
    rows = planted_rows(120)
    for row in rows[:20]:
        row |= {"preference": 0.5, "tie": 1.0}
    run = write_run(tmp_path / "run", tiny, rows, **FAST)
    assert main(run) == 0
    found = figures(run)
    assert (found["train_pairs"], found["test_pairs"], found["undecided_pairs"]) == (80, 20, 20)
    assert load_scorer(run / "result").card.loss == "bradley-terry"


def test_a_result_written_before_ties_were_known_still_loads(trained: Path, tmp_path: Path):
    old = shutil.copytree(trained / "result", tmp_path / "old")
    card = json.loads((old / "reward.json").read_text())
    del card["loss"], card["tie"]
    (old / "reward.json").write_text(json.dumps(card))
    head = load_file(old / "head.safetensors")
    del head["tie"]
    save_file(head, old / "head.safetensors")
    asked = [[{"role": "user", "content": "cat"}]], ["please"]
    assert load_scorer(old).score(*asked) == load_scorer(trained / "result").score(*asked)


def test_starting_a_finished_run_again_does_nothing(trained: Path):
    before = (trained / "metrics.jsonl").read_text()
    assert main(trained) == 0
    assert (trained / "metrics.jsonl").read_text() == before


@pytest.mark.parametrize("trainable", ["top", "lora"])
def test_a_part_of_the_model_learns_too(tiny: Path, tmp_path: Path, trainable: str):
    changed = {**FAST, "trainable": trainable, "top_layers": 1, "learning_rate": 1e-2}
    run = write_run(tmp_path / "run", tiny, planted_rows(300), **changed)
    assert main(run) == 0
    assert figures(run)["accuracy"] > 0.9
    with safe_open(run / "result" / "model.safetensors", "pt") as saved:
        assert not [name for name in saved.keys() if "lora" in name]  # noqa: SIM118
    scorer = load_scorer(run / "result")
    assert len(scorer.score([[{"role": "user", "content": "cat"}]], ["please"])) == 1


def test_fewer_layers_of_the_trunk_can_be_used_and_are_what_is_saved(tiny: Path, tmp_path: Path):
    run = write_run(tmp_path / "run", tiny, planted_rows(120), **FAST, trunk_share=0.5)
    assert main(run) == 0
    assert load_scorer(run / "result").model.trunk.config.num_hidden_layers == 1


def test_a_killed_run_goes_on_to_the_same_curve_bit_for_bit(
    tiny: Path, trained: Path, tmp_path: Path
):
    run = write_run(tmp_path / "run", tiny, planted_rows(300), **FAST, checkpoint_every=7)
    program = start(run)
    wait_for_steps(run, 10)
    program.kill()
    program.communicate()
    assert not (run / "result").exists()
    assert RunDirectory(run).newest_checkpoint() is not None

    assert main(run) == 0
    assert curve(run) == curve(trained)
    assert figures(run) == figures(trained)


def test_two_processes_give_the_losses_of_one(tiny: Path, tmp_path: Path):
    settings = {**FAST, "precision": "fp32", "tokens_per_pass": 64, "epochs": 1}
    alone, together = (
        write_run(tmp_path / name, tiny, planted_rows(120), **settings)
        for name in ("alone", "together")
    )
    assert main(alone) == 0
    # what `accelerate launch` starts where there are several devices; on CPUs it starts one process
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    started = subprocess.run(
        [*launcher, "-m", "rewardmodel.learning", str(together)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert started.returncode == 0, started.stderr
    assert "2 processes share this run." in started.stdout
    assert len(curve(alone)) == len(curve(together)) == 6
    for one, two in zip(curve(alone), curve(together), strict=True):
        assert two == pytest.approx(one, abs=1e-5)
    assert figures(together)["accuracy"] == pytest.approx(figures(alone)["accuracy"])


def test_sigterm_saves_and_the_same_command_finishes(tiny: Path, tmp_path: Path):
    run = write_run(tmp_path / "run", tiny, planted_rows(300), **FAST)
    program = start(run)
    wait_for_steps(run, 3)
    program.send_signal(signal.SIGTERM)
    program.communicate()
    assert program.returncode == 75
    assert RunDirectory(run).newest_checkpoint() is not None

    assert main(run) == 0
    assert [line["step"] for line in curve(run)] == list(range(1, 46))


def test_too_few_pairs_are_refused_in_one_sentence_with_the_number_missing(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(write_run(tmp_path / "run", tiny, planted_rows(50))) == 1
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1].startswith("10 more train pairs are needed")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"epochs": -1}, "epochs is -1"),
        ({"trainable": "half"}, "full, top, lora, head"),
        ({"learning_rat": 1e-3}, "unknown settings: learning_rat"),
        ({"model": "/nowhere"}, "no model in /nowhere"),
        ({"label_smoothing": 0.5}, "label_smoothing"),
        ({"loss": "dpo"}, "bradley-terry, davidson, rao-kupper"),
        ({"loss": "davidson"}, "No answer is a tie"),
        ({"labels": "posterior"}, "raise the campaign's overlap"),
        ({"labels": "mean"}, "shares, majority, posterior, labelers"),
        ({"labels": "labelers"}, "raise the campaign's overlap"),
        ({"strengths": "calibrated"}, "need a margin_scale"),
        ({"margin_scale": -1.0}, "margin_scale is -1.0"),
        ({"centring": -0.1}, "centring is -0.1"),
        ({"epochs": "two"}, "wrong type"),
    ],
)
def test_wrong_settings_are_told_in_one_sentence(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changed, sentence
):
    settings = {"model": tiny, **changed}
    run = write_run(tmp_path / "run", rows=planted_rows(100), **settings)
    assert main(run) == 1
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]


def test_identical_responses_are_refused_with_their_line(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rows = planted_rows(100)
    rows[41]["rejected"] = rows[41]["chosen"]
    assert main(write_run(tmp_path / "run", tiny, rows)) == 1
    assert "line 42 has two identical responses" in capsys.readouterr().err
