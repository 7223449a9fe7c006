"""Demonstrations as data: files that come in, snapshots, and files that go out."""

import gzip
import io
import json
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from labeling import artifacts, errors
from labeling.models import (
    Act,
    AuditEvent,
    Demonstration,
    DemonstrationImport,
    DemonstrationSnapshot,
    Prompt,
)
from labeling.services.demonstration_imports import import_demonstrations
from labeling.services.demonstration_snapshots import (
    LAYOUTS,
    demonstration_rows,
    take_demonstration_snapshot,
)
from labeling.services.demonstrations import change_demonstration
from labeling.services.exports import jsonl_lines
from labeling.splits import split_of
from tests.cast import write

NOW = timezone.now()

GOOD = [
    {"prompt": "Why?", "completion": "Because."},
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How?"},
            {"role": "assistant", "content": " Like this. "},
        ],
        "category": "advice",
    },
    {
        "prompt": [{"role": "user", "content": "When?"}],
        "completion": [{"role": "assistant", "content": "Now."}],
    },
]


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.ARTIFACTS_URL = f"file://{tmp_path}/artifacts"


def file_of(rows):
    return io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())


def take_in(campaign, rows, **more):
    file = rows if isinstance(rows, io.BytesIO) else file_of(rows)
    return import_demonstrations(
        campaign=campaign, file=file, name="some.jsonl", by=None, now=NOW, **more
    )


def frozen(snapshot):
    with artifacts.open_artifact(snapshot.artifact_url) as file:
        return [json.loads(line) for line in file]


class TestImports:
    def test_both_layouts_come_in_with_prompt_answer_and_category(self, campaign):
        assert take_in(campaign, GOOD).demonstrations == 3
        made = Demonstration.objects.get(text="Like this.")
        assert [m["role"] for m in made.prompt.messages] == ["system", "user"]
        assert (made.prompt.category, made.author_kind) == ("advice", "person")

    def test_a_gzipped_file_comes_in_as_well(self, campaign):
        assert (
            take_in(campaign, io.BytesIO(gzip.compress(file_of(GOOD).read()))).demonstrations == 3
        )

    def test_who_wrote_it_is_said_by_who_imports_it(self, campaign):
        take_in(campaign, GOOD, author_kind="ai")
        assert set(Demonstration.objects.values_list("author_kind", flat=True)) == {"ai"}

    def test_the_same_answer_twice_is_one_and_the_same_file_is_refused(self, campaign):
        report = take_in(campaign, [GOOD[0], GOOD[0], GOOD[1]])
        assert (report.demonstrations, report.repeated) == (2, 1)
        with pytest.raises(errors.AlreadyImported):
            take_in(campaign, [GOOD[0], GOOD[0], GOOD[1]])
        with pytest.raises(errors.BadRow, match="no new demonstration"):
            take_in(campaign, GOOD[:1])

    def test_the_chosen_answers_of_preferences_may_be_demonstrations(self, campaign):
        take_in(campaign, [{"prompt": "Why?", "chosen": "So.", "rejected": "No."}], field="chosen")
        assert Demonstration.objects.get().text == "So."

    @pytest.mark.parametrize(
        ("bad", "sentence"),
        [
            (b"{broken", "this is not valid JSON."),
            (b'["a list"]', "each line must be a JSON object."),
            (b"\xff\xfe", "the text is not UTF-8"),
            (b'{"text": "Hello"}', 'it needs "messages", or a "prompt" with a "completion".'),
            (b'{"prompt": "Why?"}', 'the field "completion" is missing.'),
            (b'{"prompt": "Why?", "completion": " "}', "the answer is empty."),
            (b'{"prompt": "Why?", "completion": 7}', "a response must be a text or one"),
            (b'{"prompt": "Why?", "completion": "a\\u0000"}', "NUL character"),
            (b'{"prompt": [], "completion": "So."}', "the prompt is empty."),
            (b'{"messages": [{"role": "user", "content": "Hi"}]}', "must be the assistant's"),
            (b'{"prompt": "Why?", "completion": "So.", "category": 1}', "must be a text."),
            (
                b'{"prompt": [{"role": "robot", "content": "?"}], "completion": "So."}',
                "Each message needs a role",
            ),
        ],
    )
    def test_a_bad_line_is_named_and_nothing_is_imported(self, campaign, bad, sentence):
        content = file_of(GOOD).read() + bad + b"\n"
        with pytest.raises(errors.BadRow, match="Line 4: ") as refusal:
            take_in(campaign, io.BytesIO(content))
        assert sentence in str(refusal.value)
        assert str(refusal.value).endswith("Nothing was imported.")
        assert not Demonstration.objects.exists()
        assert not DemonstrationImport.objects.exists()
        assert not Prompt.objects.exists()

    def test_the_command_says_what_came_in_and_what_can_not(self, campaign, tmp_path, capsys):
        path = tmp_path / "some.jsonl"
        path.write_bytes(file_of(GOOD).read())
        call_command("import_demonstrations", str(path), campaign=campaign.name)
        assert "Imported 3 demonstrations; left out 0 repeated." in capsys.readouterr().out
        with pytest.raises(CommandError, match="was imported into this campaign before"):
            call_command("import_demonstrations", str(path), campaign=campaign.name)
        with pytest.raises(CommandError, match="can't be read"):
            call_command("import_demonstrations", str(tmp_path / "none"), campaign=campaign.name)


class TestSnapshots:
    def test_a_snapshot_holds_what_stands_split_by_prompt(self, alice, writing_campaign):
        first = write(alice, writing_campaign, "First.")
        change_demonstration(
            demonstration=first,
            labeler=alice,
            text="Second.",
            started_from=None,
            client_key=uuid.uuid4(),
            seconds=None,
            now=NOW,
        )
        take_in(writing_campaign, GOOD)
        snapshot = take_demonstration_snapshot(campaign=writing_campaign, by=alice)
        rows = frozen(snapshot)
        assert [row["completion"] for row in rows] == ["Second.", "Because.", "Like this.", "Now."]
        for row in rows:
            prompt = Demonstration.objects.get(pk=row["id"]).prompt
            assert row["split"] == split_of(prompt.digest)
        assert snapshot.train_count + snapshot.test_count == 4
        assert {d.pk for d in snapshot.demonstrations.all()} == {row["id"] for row in rows}

    def test_the_same_demonstrations_give_the_same_snapshot_and_a_new_one_another(
        self, alice, writing_campaign
    ):
        take_in(writing_campaign, GOOD)
        one = take_demonstration_snapshot(campaign=writing_campaign, by=None)
        assert take_demonstration_snapshot(campaign=writing_campaign, by=alice) == one
        write(alice, writing_campaign)
        assert take_demonstration_snapshot(campaign=writing_campaign, by=None) != one
        assert DemonstrationSnapshot.objects.count() == 2

    def test_what_a_machine_wrote_is_in_it_only_when_asked_for(self, campaign, simon):
        take_in(campaign, GOOD[:1])
        take_in(campaign, GOOD[1:], author_kind="ai")
        people = take_demonstration_snapshot(campaign=campaign, by=None)
        assert [row["author_kind"] for row in frozen(people)] == ["person"]
        both = take_demonstration_snapshot(campaign=campaign, kinds=["person", "ai"], by=None)
        assert len(frozen(both)) == 3
        assert both.recipe["author_kinds"] == ["ai", "person"]

    def test_a_snapshot_may_take_only_some_sources_and_says_which(self, alice, writing_campaign):
        take_in(writing_campaign, GOOD)
        write(alice, writing_campaign, "Written here.")
        snapshot = take_demonstration_snapshot(
            campaign=writing_campaign, sources=["written", "edited"], by=None
        )
        assert [row["completion"] for row in frozen(snapshot)] == ["Written here."]
        assert snapshot.recipe["sources"] == ["edited", "written"]


def test_asking_importing_and_freezing_are_in_the_audit_log(writing_campaign, carol):
    take_in(writing_campaign, GOOD)
    take_demonstration_snapshot(campaign=writing_campaign, by=carol)
    recorded = dict(AuditEvent.objects.values_list("act", "details"))
    assert recorded[Act.DEMONSTRATIONS_REQUESTED] == {"demonstrations": 3}
    assert recorded[Act.DEMONSTRATIONS_IMPORTED]["demonstrations"] == 3
    assert recorded[Act.SNAPSHOT_TAKEN]["author_kinds"] == ["person"]


def test_the_command_writes_only_people_unless_it_is_asked_for_more(campaign, capsys):
    take_in(campaign, GOOD[:1])
    take_in(campaign, GOOD[1:], author_kind="ai")
    for more, count in (({}, 1), ({"with_ai": True}, 3)):
        call_command("export_demonstrations", campaign.name, layout="messages", **more)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == count
        assert json.loads(lines[0])["messages"][-1] == {"role": "assistant", "content": "Because."}
    assert AuditEvent.objects.filter(act=Act.DEMONSTRATIONS_EXPORTED).count() == 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_has_the_layout_that_datasets_and_trl_read(
    alice, writing_campaign, tmp_path, layout
):
    import datasets

    take_in(writing_campaign, GOOD)
    write(alice, writing_campaign, "Written here.")
    path = tmp_path / "demonstrations.jsonl"
    path.write_text("".join(jsonl_lines(demonstration_rows(writing_campaign, layout=layout))))
    loaded = datasets.load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(loaded) == 4
    row = loaded[3]
    answer = {"role": "assistant", "content": "Written here."}
    if layout == "messages":
        assert row["messages"][-1] == answer
        assert row["messages"][0]["role"] == "user"
    else:
        assert row["completion"] == [answer]
        assert row["prompt"][-1]["role"] == "user"
    assert row["labeler"] not in ("", "alice")
    assert row["author_kind"] == "person"
