"""Artifacts are there whole or not at all, whatever happens on the way."""

import shutil

import fsspec
import pytest

from labeling.artifacts import address, local_copy, publish


@pytest.fixture
def result(tmp_path):
    """What a training program leaves: a folder with files, one in a folder of its own."""
    folder = tmp_path / "result"
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "model.json").write_text("weights")
    (folder / "tokenizer" / "vocab.json").write_text("words")
    return folder


@pytest.fixture
def bucket(settings, tmp_path):
    """An object store: it has names and no folders, and nothing in it can be renamed."""
    settings.ARTIFACTS_URL = "memory://bucket"
    settings.VAR = tmp_path / "var"
    yield fsspec.filesystem("memory")
    fsspec.filesystem("memory").store.clear()


def test_a_folder_of_which_a_kill_left_a_part_in_the_bucket_is_put_there_whole(bucket, result):
    bucket.put(str(result / "model.json"), "/bucket/runs/1/model.json")
    url = publish(result, "runs/1")
    assert publish(result, "runs/1") == url == address("runs/1")
    assert bucket.find("/bucket") == [
        "/bucket/runs/1/model.json",
        "/bucket/runs/1/tokenizer/vocab.json",
    ]
    assert (local_copy(url) / "tokenizer" / "vocab.json").read_text() == "words"


def test_a_file_is_written_once_under_its_name(bucket, result):
    publish(result / "model.json", "snapshots/ab12.jsonl")
    publish(result / "tokenizer" / "vocab.json", "snapshots/ab12.jsonl")
    assert local_copy(address("snapshots/ab12.jsonl")).read_text() == "weights"


def test_what_could_not_be_copied_whole_leaves_nothing_behind(settings, tmp_path, result):
    settings.ARTIFACTS_URL = f"file://{tmp_path}/artifacts"
    (result / "gone.json").symlink_to("nowhere")
    with pytest.raises(shutil.Error):
        publish(result, "runs/1")
    assert list((tmp_path / "artifacts" / "runs").iterdir()) == []


def test_what_is_not_in_the_bucket_leaves_nothing_in_the_cache(bucket, tmp_path):
    with pytest.raises(FileNotFoundError):
        local_copy("memory://bucket/nothing")
    assert list((tmp_path / "var" / "cache").iterdir()) == []
