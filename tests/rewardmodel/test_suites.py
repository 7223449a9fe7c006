"""Test suites: what may be imported, and what a model reaches on them."""

import io
import json
import signal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from labeling import errors
from labeling.models import Act, AuditEvent
from rewardmodel.models import RewardModel, Suite
from rewardmodel.services import suites
from rewardmodel.services.reward_models import prepare
from rewardmodel.suite_files import read_suite
from rewardmodel.tasks import measure_suites
from tests.cast import trained
from tests.rewardmodel.learning.planted import planted_rows, write_run
from tests.tiny_model import make_tiny_model

LLMBAR = {"input": "Sort: b a", "output_1": "a b", "output_2": "b a", "label": 1}
REWARDBENCH = {
    "prompt": "Why?",
    "chosen": "Because.",
    "rejected": "No.",
    "subset": "alpacaeval-easy",
    "id": 3,
}


@pytest.fixture(autouse=True)
def own_store(settings, tmp_path):
    settings.ARTIFACTS_URL = f"file://{tmp_path}/artifacts"
    settings.VAR = tmp_path


def lines(*rows):
    return io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())


def array(*rows):
    return io.BytesIO(json.dumps(rows).encode())


def test_llmbar_names_the_better_output_by_its_label():
    first, second = read_suite(array(LLMBAR, {**LLMBAR, "label": 2}))
    assert (first["chosen"], first["rejected"]) == ("a b", "b a")
    assert (second["chosen"], second["rejected"]) == ("b a", "a b")
    assert first["prompt"] == [{"role": "user", "content": "Sort: b a"}]


def test_rewardbench_has_subsets():
    [row] = read_suite(lines(REWARDBENCH))
    assert (row["subset"], row["chosen"]) == ("alpacaeval-easy", "Because.")


def test_a_file_of_preferences_is_a_suite_too():
    talk = "\n\nHuman: Why?\n\nAssistant: "
    [row] = read_suite(lines({"chosen": talk + "Because.", "rejected": talk + "No."}))
    assert (row["chosen"], row["rejected"], row["subset"]) == ("Because.", "No.", "")


def test_pairs_without_a_difference_are_left_out():
    same = {**REWARDBENCH, "rejected": "Because."}
    assert len(read_suite(lines(same, {**REWARDBENCH, "rejected": ""}, REWARDBENCH))) == 1


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (lines(REWARDBENCH, {"prompt": "x"}), 'Line 2: the field "chosen" is missing.'),
        (array({**LLMBAR, "label": 3}), 'Line 1: "label" must be 1 or 2.'),
        (io.BytesIO(b"[{]"), "Line 1: this is not valid JSON."),
        (array("text"), "Line 1: each entry must be a JSON object."),
        (
            lines({**REWARDBENCH, "prompt": [{"role": "judge", "content": "x"}]}),
            "Line 1: a role must be system, user or assistant.",
        ),
        (io.BytesIO(b""), "The file holds no usable pair."),
    ],
)
def test_a_bad_file_imports_nothing_and_says_why(db, file, sentence):
    with pytest.raises(errors.BadRow, match=sentence.replace('"', ".") + " ?Nothing was imported."):
        suites.import_suite(file=file, name="x", by=None)
    assert not Suite.objects.exists()


def test_a_suite_is_imported_once_under_one_name(erin, tmp_path):
    suite = suites.import_suite(file=lines(REWARDBENCH), name="bench", by=erin)
    assert suite.pairs == 1
    assert AuditEvent.objects.get(act=Act.SUITE_IMPORTED).actor == erin
    for file, name in ((lines(REWARDBENCH), "other"), (array(LLMBAR), "bench")):
        with pytest.raises(errors.SuiteImported):
            suites.import_suite(file=file, name=name, by=erin)
    stored = [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
    assert suite.artifact_url == f"file://{stored[0]}"
    assert len(stored) == 1, "what was refused left no file"


def test_a_suite_whose_file_could_not_be_written_is_not_there(erin, settings, tmp_path):
    (tmp_path / "taken").write_text("no folder")
    settings.ARTIFACTS_URL = f"file://{tmp_path}/taken"
    with pytest.raises(OSError):
        suites.import_suite(file=lines(REWARDBENCH), name="bench", by=erin)
    assert not Suite.objects.exists()


def test_the_command_and_the_page_take_in_the_same_files(client, erin, tmp_path):
    path = tmp_path / "llmbar.json"
    path.write_bytes(array(LLMBAR).read())
    call_command("import_suite", path)
    with pytest.raises(CommandError, match="already"):
        call_command("import_suite", path, name="again")
    client.force_login(erin)
    address = reverse("rewardmodel:suites")

    def send(name, file):
        sent = SimpleUploadedFile(name, file.read())
        return client.post(address, {"name": name, "file": sent})

    assert send("bench", lines(REWARDBENCH)).status_code == 302
    refused = send("broken", lines({"prompt": "x"}))
    assert refused.status_code == 422
    assert "Nothing was imported." in refused.content.decode()
    assert [suite.name for suite in Suite.objects.all()] == ["bench", "llmbar"]


class TestMeasuring:
    @pytest.fixture(scope="class")
    def result(self, tmp_path_factory):
        """A model that likes "please"."""
        from rewardmodel.learning.__main__ import main

        folder = tmp_path_factory.mktemp("measured")
        told = {"epochs": 4, "learning_rate": 3e-3, "batch_size": 16, "trainable": "full"}
        suite = folder / "suite.jsonl"
        suite.write_text("".join(json.dumps(row) + "\n" for row in self.planted(40)))
        told["suites"] = [{"suite": 1, "name": "planted | `suite`", "file": str(suite)}]
        tiny = make_tiny_model(folder / "tiny")
        run = write_run(folder / "run", tiny, planted_rows(240), **told)
        previous = signal.getsignal(signal.SIGTERM)
        assert main(run) == 0
        signal.signal(signal.SIGTERM, previous)
        return run / "result"

    @staticmethod
    def planted(count):
        """Pairs from elsewhere: in the subset "turned" the other response is called the better."""
        rows = planted_rows(count, seed=7)
        told = []
        for number, row in enumerate(rows):
            better, worse = row["chosen"], row["rejected"]
            if number % 4 == 0:
                better, worse = worse, better
            subset = "turned" if number % 4 == 0 else "plain"
            told.append(
                {"prompt": row["prompt"], "chosen": better, "rejected": worse, "subset": subset}
            )
        return told

    @pytest.fixture
    def run(self, result, campaign, policy):
        return trained(campaign, policy, checkpoint=f"file://{result}")

    def test_a_training_ends_with_the_accuracy_on_each_suite_and_subset(self, result):
        [found] = json.loads((result / "result.json").read_text())["suites"]
        by_name = {row["name"]: row for row in found["subsets"]}
        assert found["pairs"] == 40
        assert (by_name["plain"]["pairs"], by_name["turned"]["pairs"]) == (30, 10)
        assert by_name["plain"]["accuracy"] > 0.9
        assert by_name["turned"]["accuracy"] < 0.1
        assert found["low"] < found["accuracy"] < found["high"]
        assert (
            f"| planted / 'suite' | 40 | {found['accuracy']:.1%} |"
            in (result / "README.md").read_text()
        )

    def test_an_older_model_is_measured_in_a_process_of_its_own(self, run, result, client, erin):
        rows = self.planted(40)
        suite = suites.import_suite(file=lines(*rows), name="planted", by=erin)
        client.force_login(erin)
        address = reverse("rewardmodel:run", args=[run.pk])
        assert "Measure on the newer suites" in client.get(address).content.decode()
        measure_suites(run.pk)
        [told] = json.loads((result / "result.json").read_text())["suites"]
        found = run.suite_results.get(suite=suite).figures
        assert found["accuracy"] == pytest.approx(told["accuracy"], abs=0.06)  # bfloat16
        shown = client.get(address).content.decode()
        assert "Measure on the newer suites" not in shown
        assert "turned" in shown
        measure_suites(run.pk)
        assert run.suite_results.count() == 1

    def test_a_model_that_is_gone_leaves_no_result(self, run, erin):
        suites.import_suite(file=lines(REWARDBENCH), name="bench", by=erin)
        RewardModel.objects.update(checkpoint="file:///nowhere")
        measure_suites(run.pk)
        assert not run.suite_results.exists()

    def test_the_program_is_told_every_suite_that_can_be_read(self, run, policy, erin, tmp_path):
        suite = suites.import_suite(file=lines(REWARDBENCH), name="bench", by=erin)
        lost = suites.import_suite(file=array(LLMBAR), name="lost", by=erin)
        Suite.objects.filter(pk=lost.pk).update(artifact_url="file:///nowhere")
        (tmp_path / "rows.jsonl").write_text("")
        run.snapshot.artifact_url = f"file://{tmp_path}/rows.jsonl"
        policy.checkpoint = f"file://{tmp_path}"
        prepare(run, tmp_path)
        [told] = json.loads((tmp_path / "config.json").read_text())["suites"]
        assert (told["suite"], told["name"]) == (suite.pk, "bench")
