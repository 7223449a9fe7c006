"""Runs that are left alone end by themselves before they do harm."""

import pytest

from rlhf.learning.learner import Learner
from rlhf.learning.ppo import train
from rlhf.learning.stopping import reason_to_end
from tests.rlhf.learning.letters import changed, letter_policy, world_of

HEALTHY = {"kl": 3.0, "entropy": 2.0, "repetition": 0.1, "length": 30.0}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"kl": 50.1}, "50.1 nats"),
        ({"entropy": 0.01}, "0.010 nats"),
        ({"repetition": 0.61}, "0.61 of all word triples"),
        ({"length": 121.0}, "from 30 to 121 tokens"),
    ],
)
def test_each_limit_ends_a_run_with_its_figure(told, said):
    config = changed(
        stop_at_kl=50.0, stop_at_entropy=0.02, stop_at_repetition=0.6, stop_at_growth=4.0
    )
    assert reason_to_end(config, HEALTHY, 30.0) == ""
    assert said in reason_to_end(config, HEALTHY | told, 30.0)


def test_a_limit_of_zero_is_none():
    config = changed(
        stop_at_kl=0.0, stop_at_entropy=0.0, stop_at_repetition=0.0, stop_at_growth=0.0
    )
    wild = {"kl": 1e9, "entropy": 0.0, "repetition": 1.0, "length": 1e9}
    assert reason_to_end(config, wild, 1.0) == ""


def test_a_run_that_ended_by_itself_stays_ended_after_a_restart(tmp_path):
    config = changed(updates=20, kl_coef=0.0, stop_at_kl=1.0)
    learner = Learner(config, letter_policy())
    told = list(train(config, learner, world_of(learner)))
    assert told[-1]["kl"] > 1 >= max(row["kl"] for row in told[:-1])
    assert len(told) < 20
    learner.save(tmp_path)

    again = Learner(config, letter_policy())
    again.load(tmp_path)
    assert again.ended == learner.ended != ""
    assert list(train(config, again, world_of(again))) == []
