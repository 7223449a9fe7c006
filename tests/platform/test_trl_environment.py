"""What the benchmarks measure beside."""

import importlib.metadata

from bench import trl_environment


def test_trl_runs_on_the_libraries_that_the_product_runs_on():
    wanted = dict(each.split("==") for each in trl_environment.packages())

    assert wanted.pop("trl") == "1.12.0"
    assert {name: importlib.metadata.version(name).split("+")[0] for name in wanted} == wanted


def test_a_trl_arm_runs_without_the_products_own_modules(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")

    found = trl_environment.environment(2, MALLOC_TOP_PAD_="1")

    assert "PYTHONPATH" not in found
    assert (found["OMP_NUM_THREADS"], found["MALLOC_TOP_PAD_"]) == ("2", "1")
