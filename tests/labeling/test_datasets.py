import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from labeling import artifacts, errors
from labeling.files.preferences import read_preferences
from labeling.models import (
    Act,
    AuditEvent,
    Comparison,
    Judgment,
    Policy,
    Prompt,
    Response,
    Snapshot,
)
from labeling.services.campaigns import add_members
from labeling.services.comparisons import create_comparisons
from labeling.services.exports import preference_rows, write_parquet
from labeling.services.imports import import_preferences
from labeling.services.snapshots import take_snapshot
from labeling.splits import split_of
from tests.cast import ask, group, imported_judgment, judge, pair, rank

NOW = timezone.now()


def rows_of(snapshot):
    with artifacts.open_artifact(snapshot.artifact_url) as file:
        return [json.loads(line) for line in file]


def file_of(*rows):
    return io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())


def row(n, chosen="Good.", rejected="Bad.", **more):
    return {"prompt": f"Question {n}?", "chosen": chosen, "rejected": rejected, **more}


def load(campaign, file):
    return import_preferences(campaign=campaign, file=file, name="test.jsonl", by=None, now=NOW)


class TestImports:
    def test_preferences_become_comparisons_with_judgments_by_people(self, campaign):
        report = load(campaign, file_of(*(row(n) for n in range(20))))
        assert report.preferences == 20
        judgments = Judgment.objects.select_related("comparison__first")
        assert {j.judge_kind for j in judgments} == {"person"}
        for judgment in judgments:
            first_is_good = judgment.comparison.first.text == "Good."
            assert (judgment.preference < 0) == first_is_good

    def test_the_better_one_does_not_always_come_first(self, campaign):
        load(campaign, file_of(*(row(n) for n in range(40))))
        assert {j.preference for j in Judgment.objects.all()} == {-1, 1}

    def test_a_bad_line_imports_nothing_and_names_itself(self, campaign):
        with pytest.raises(errors.BadRow, match=r"^Line 3: .* Nothing was imported\.$"):
            load(campaign, file_of(row(1), row(2), {"chosen": "x"}))
        assert not Prompt.objects.exists()

    def test_a_conversation_that_ends_with_the_assistant_is_refused(self, campaign):
        messages = [{"role": "assistant", "content": "Hello."}]
        with pytest.raises(errors.BadRow, match="Line 1"):
            load(campaign, file_of({"prompt": messages, "chosen": "a", "rejected": "b"}))

    def test_the_same_file_is_imported_once(self, campaign):
        load(campaign, file_of(row(1)))
        with pytest.raises(errors.AlreadyImported):
            load(campaign, file_of(row(1)))
        assert Judgment.objects.count() == 1

    def test_identical_empty_and_repeated_pairs_are_counted_not_stored(self, campaign):
        report = load(
            campaign,
            file_of(row(1), row(1), row(2, rejected=""), row(3, chosen="Bad."), row(4, "Bad .")),
        )
        assert (report.preferences, report.repeated, report.discarded) == (2, 1, 2)
        assert Comparison.objects.count() == 2

    def test_the_command_ends_with_one_sentence(self, campaign, tmp_path):
        path = tmp_path / "broken.jsonl"
        path.write_bytes(b"\xff\n")
        with pytest.raises(CommandError, match="Line 1: the text is not UTF-8"):
            call_command("import_preferences", path, campaign=campaign.name)


class TestSnapshots:
    def test_votes_are_shared_out_and_a_tie_is_half_a_vote(self, campaign, fill, alice, bob):
        campaign.overlap = 2
        campaign.save()
        fill(campaign)
        judge(alice, campaign, preference=3)
        judge(bob, campaign, preference=0, equal="tie")
        [only] = rows_of(take_snapshot(campaign=campaign, by=None))
        assert only["chosen"].startswith("Answer two")
        assert (only["preference"], only["tie"]) == (0.75, 0.5)
        assert only["margin"] == 0.5  # three of three steps, and none

    def test_a_row_says_which_policy_wrote_which_response(self, campaign, policy, alice):
        rival = Policy.objects.create(name="rival", version=3, checkpoint="/models/rival")
        prompt = ask("Who is better?")
        first, _ = pair(prompt, policy, "The parrot's.", "Not compared.")
        second, _ = pair(prompt, rival, "The rival's.", "Not compared either.")
        create_comparisons(campaign=campaign, pairs=[(first, second)])
        judge(alice, campaign, preference=2)
        [only] = rows_of(take_snapshot(campaign=campaign, by=None))
        assert (only["chosen"], only["chosen_policy"]) == ("The rival's.", "rival-v3")
        assert (only["rejected"], only["rejected_policy"]) == ("The parrot's.", "parrot-v0")

    def test_undecided_pairs_say_whether_people_disagree_or_prefer_neither(
        self, campaign, fill, alice, bob
    ):
        campaign.overlap, campaign.allow_both_good, campaign.allow_both_bad = 2, True, True
        campaign.save()
        fill(campaign, 2)
        judge(alice, campaign, preference=2)
        judge(bob, campaign, preference=-1)
        judge(alice, campaign, preference=0, equal="both_bad")
        judge(bob, campaign, preference=0, equal="both_good")
        split, neither = rows_of(take_snapshot(campaign=campaign, by=None))
        assert (split["preference"], split["tie"]) == (0.5, 0.0)
        assert split["chosen"].startswith("Answer two"), "the one preferred more strongly"
        assert (neither["preference"], neither["tie"], neither["margin"]) == (0.5, 1.0, 0.0)
        assert (split["votes"], neither["votes"]) == ([1, 0, 1], [0, 2, 0])
        assert neither["chosen"].startswith("Answer one")

    def test_rows_with_ties_and_disagreement_are_what_a_reward_model_reads(
        self, campaign, fill, alice, bob
    ):
        from rewardmodel.learning.pairs import read_pairs

        campaign.overlap = 2
        campaign.save()
        fill(campaign, 4)
        for one, other in ((2, -1), (0, 0), (0, 3), (1, 2)):
            for labeler, preference in ((alice, one), (bob, other)):
                equal = "" if preference else "tie"
                judge(labeler, campaign, preference=preference, equal=equal)
        rows = rows_of(take_snapshot(campaign=campaign, by=None))
        pairs = read_pairs(enumerate(rows, 1))
        assert [pair.outcomes for pair in pairs] == [
            (0.5, 0.0, 0.5),
            (0.0, 1.0, 0.0),
            (0.5, 0.5, 0.0),
            (1.0, 0.0, 0.0),
        ]

    def test_a_row_says_who_answered_what_on_which_side_and_nobody_who_that_is(
        self, campaign, fill, alice, bob
    ):
        campaign.overlap = 2
        campaign.save()
        fill(campaign, 6)
        given = [judge(who, campaign, preference=p) for who, p in [(alice, 2), (bob, 3)] * 6]
        rows = rows_of(take_snapshot(campaign=campaign, by=None))
        names = [tuple(by for by, _, _ in row["ballots"]) for row in rows]
        assert len(set(names)) == 1  # the same two people, told apart
        assert len(set(names[0])) == 2
        assert not {"alice", "bob", str(alice.pk), str(bob.pk)} & set(names[0])
        assert {answer for row in rows for _, answer, _ in row["ballots"]} == {2, 3}
        chosen_on_left = {j.comparison_id: not j.assignment.first_on_left for j in given[::2]}
        for row in rows:
            assert (row["ballots"][0][2] == 1) == chosen_on_left[row["id"]]

    def test_people_of_a_file_are_told_apart_by_its_own_names_and_rankings_have_no_sides(
        self, campaign, ranked, policy, alice
    ):
        group(ranked, policy, "Which order?", ["one", "two", "three"])
        rank(alice, ranked, [2, 1, 3])
        imported = imported_judgment(campaign, pair(ask("Imported?"), policy, "a", "b"), -1)
        rows = rows_of(take_snapshot(campaign=campaign, by=None))
        ballots = [ballot for row in rows for ballot in row["ballots"]]
        assert [side for _, _, side in ballots] == [0, 0, 0, 0]
        assert {row["group"] for row in rows[:3]} == {rows[0]["group"]}
        assert len({by for by, _, _ in ballots}) == 2
        assert imported.annotator == ""

    def test_a_row_says_what_people_think_of_each_aspect(self, campaign, fill, alice, bob):
        campaign.overlap, campaign.aspects = 2, ["brief", "kind"]
        campaign.save()
        fill(campaign)
        judge(alice, campaign, preference=2, aspects={"brief": -1, "kind": 3})
        judge(bob, campaign, preference=1, aspects={"brief": 0})
        [only] = rows_of(take_snapshot(campaign=campaign, by=None))
        assert only["aspects"] == {"brief": 0.25, "kind": 1.0}

    def test_simulations_are_never_mixed_in_unasked(self, campaign, fill, alice, simon):
        add_members(campaign=campaign, users=[simon], role="labeler")
        fill(campaign, 2)
        judge(alice, campaign)
        judge(simon, campaign)
        people = take_snapshot(campaign=campaign, by=None)
        both = take_snapshot(campaign=campaign, kinds=["person", "simulation"], by=None)
        assert (len(rows_of(people)), len(rows_of(both))) == (1, 2)

    def test_the_same_answers_give_the_same_snapshot(self, campaign, fill, alice):
        fill(campaign, 2)
        judge(alice, campaign)
        first = take_snapshot(campaign=campaign, by=None)
        assert take_snapshot(campaign=campaign, by=None) == first
        judge(alice, campaign)
        assert take_snapshot(campaign=campaign, by=None) != first
        assert Snapshot.objects.count() == 2

    def test_a_snapshot_knows_every_judgment_in_it(self, campaign, fill, alice):
        fill(campaign, 2)
        judgment = judge(alice, campaign)
        assert list(take_snapshot(campaign=campaign, by=None).judgments.all()) == [judgment]

    def test_a_prompt_is_on_one_side_of_the_split_only(self, campaign, policy):
        for n in range(60):
            prompt = ask(f"Prompt {n}?")
            for k in range(2):
                imported_judgment(campaign, pair(prompt, policy, f"a{k}", f"b{k}"), -1)
        snapshot = take_snapshot(campaign=campaign, by=None)
        sides = {}
        for each in rows_of(snapshot):
            sides.setdefault(each["prompt"][0]["content"], set()).add(each["split"])
        assert all(len(side) == 1 for side in sides.values())
        assert snapshot.test_pairs > 0
        assert snapshot.train_pairs + snapshot.test_pairs == 120

    def test_about_the_wanted_share_of_prompts_is_held_out(self):
        held_out = sum(split_of(f"digest {n}") == "test" for n in range(4000))
        assert 0.12 < held_out / 4000 < 0.18


class TestExports:
    def test_an_export_has_the_layout_that_datasets_and_trl_read(
        self, campaign, fill, alice, tmp_path
    ):
        import datasets

        fill(campaign, 3)
        for preference in (-3, 1, 2):
            judge(alice, campaign, preference=preference)
        for name in ("out.jsonl", "out.parquet"):
            call_command("export_preferences", campaign.name, output=tmp_path / name)
            kind = "json" if name.endswith("jsonl") else "parquet"
            loaded = datasets.load_dataset(
                kind, data_files=str(tmp_path / name), split="train", cache_dir=str(tmp_path)
            )
            assert loaded.num_rows == 3
            first = loaded[0]
            assert first["chosen"][0]["role"] == "assistant"
            assert first["chosen"][0]["content"].startswith("Answer one")
            assert first["margin"] == 1.0
            assert first["chosen_policy"] == "parrot-v0"
            assert "alice" not in json.dumps(first)
        taken = AuditEvent.objects.filter(act=Act.PREFERENCES_EXPORTED, campaign=campaign)
        assert {event.details["format"] for event in taken} == {"jsonl", "parquet"}

    def test_a_file_that_can_not_be_written_is_named_and_leaves_nothing(self, campaign, tmp_path):
        (tmp_path / "out.jsonl").mkdir()
        with pytest.raises(CommandError, match="can't be written"):
            call_command("export_preferences", campaign.name, output=tmp_path / "out.jsonl")
        assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]

    def test_simulated_judgments_leave_only_when_asked_for(self, campaign, fill, simon):
        add_members(campaign=campaign, users=[simon], role="labeler")
        fill(campaign)
        judge(simon, campaign)
        assert list(preference_rows(campaign)) == []
        assert len(list(preference_rows(campaign, ["person", "simulation"]))) == 1

    def test_what_is_exported_can_be_imported_again(self, campaign, fill, alice):
        fill(campaign, 3)
        for preference in (-3, 1, 2):
            judge(alice, campaign, preference=preference)
        exported = list(preference_rows(campaign))
        again = [p for p in read_preferences(file_of(*exported)) if p]
        assert [(p.prompt, p.chosen, p.margin) for p in again] == [
            (r["prompt"], r["chosen"][0]["content"], r["margin"]) for r in exported
        ]

    def test_parquet_is_written_in_groups(self, campaign, fill, alice):
        import pyarrow.parquet as pq

        fill(campaign)
        judge(alice, campaign)
        [one] = preference_rows(campaign)
        file = io.BytesIO()
        assert write_parquet((one for _ in range(2500)), file) == 2500
        assert pq.ParquetFile(file).num_row_groups == 3


def test_importing_makes_no_open_work(campaign):
    load(campaign, file_of(row(1)))
    assert Response.objects.count() == 2
    assert not Comparison.objects.get().assignments.exists()


def test_only_the_beginning_of_a_file_is_taken_when_asked_for(campaign):
    report = import_preferences(
        campaign=campaign,
        file=file_of(*(row(n) for n in range(9))),
        name="long.jsonl",
        by=None,
        now=NOW,
        first=4,
    )
    assert report.preferences == 4
