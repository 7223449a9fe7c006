"""An engine on the GPU on which the policy learns gives its memory back between rollouts."""

from types import SimpleNamespace

import pytest
import torch

from rlhf.generation import engine as engine_module
from rlhf.generation.engine import VllmEngine
from tests.rlhf.learning.test_program import tiny

__all__ = ["tiny"]  # a fixture
WEIGHTS = [("one", torch.zeros(1))]


class Recorder:
    """What an engine tells vLLM to do, in order."""

    def __init__(self, *, can_sleep: bool) -> None:
        self.model_config = SimpleNamespace(enable_sleep_mode=can_sleep)
        self.told: list[object] = []

    def sleep(self, level: int) -> None:
        self.told.append(("sleep", level))

    def wake_up(self, tags: list[str]) -> None:
        self.told.append(("wake", *tags))

    def collective_rpc(self, method: object, kwargs: dict | None = None) -> None:
        self.told.append(method if isinstance(method, str) else "pack")
        if kwargs:
            assert list(kwargs["weights_iterator"]) == WEIGHTS

    def reset_prefix_cache(self) -> None:
        self.told.append("forget")


@pytest.fixture
def engine_on(monkeypatch, tiny):
    """An engine whose vLLM only records what it is told."""

    def made(*, can_sleep: bool) -> tuple[VllmEngine, list[object]]:
        recorder = Recorder(can_sleep=can_sleep)
        monkeypatch.setattr(engine_module, "_start", lambda *how: recorder)
        return VllmEngine(tiny, 64), recorder.told

    return made


def test_weights_are_loaded_into_their_room_before_the_cache_takes_its_own(engine_on):
    engine, told = engine_on(can_sleep=True)
    engine.rest()
    engine.rest()  # it sleeps already
    engine.load(WEIGHTS)
    assert told == [
        ("sleep", 2),
        ("wake", "weights"),
        "reload_weights",
        "pack",
        ("wake", "kv_cache"),
        "forget",
    ]
    told.clear()
    engine.load(WEIGHTS)
    assert told == ["reload_weights", "pack", "forget"]


def test_an_engine_on_the_cpu_stays_awake(engine_on):
    engine, told = engine_on(can_sleep=False)
    engine.rest()
    engine.load(WEIGHTS)
    assert told == ["reload_weights", "pack", "forget"]


def test_a_cache_is_all_that_must_be_free_where_a_policy_is_already(monkeypatch):
    gib = 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (4 * gib, 16 * gib))
    settings = engine_module._beside_training(2 * gib)
    assert settings == {"gpu_memory_utilization": 1 / 8, "enable_sleep_mode": True}
