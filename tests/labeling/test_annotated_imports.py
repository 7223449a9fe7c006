"""Files in which several annotators judged each pair."""

import gzip
import io
import json

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from labeling import artifacts, errors
from labeling.models import Comparison, Judgment, Policy, Prompt, Response
from labeling.selectors.agreement import agreement_figures
from labeling.services.annotated_imports import import_judgments
from labeling.services.exports import preference_rows
from labeling.services.snapshots import take_snapshot

NOW = timezone.now()
# Ten items of three annotators; the values below were worked out with statsmodels, krippendorff
# and scikit-learn on this very table.
TABLE = [
    *[(1, 1, 1), (2, 2, 2), (1, 1, 2), (0, 0, 0), (2, 2, 1)],
    *[(1, 1, 1), (2, 0, 2), (2, 2, 2), (1, 1, 1), (0, 1, 0)],
]


def entry(number, answers=(1, 1, 1), **more):
    return {
        "instruction": "Say it shorter.",
        "input": f"Text {number}.",
        "response1": f"Long answer {number}.",
        "response2": f"Short {number}.",
        "cmp_key": "bloom-7b_pythia-6.9b",
        "motivation_app": "Grammarly",
        **{f"annotator{place}": answer for place, answer in enumerate(answers, start=1)},
        **more,
    }


def table():
    return [entry(number, answers) for number, answers in enumerate(TABLE)]


def listed(rows):
    return io.BytesIO(json.dumps(list(rows), indent=2).encode())


def load(campaign, file):
    return import_judgments(campaign=campaign, file=file, name="test.json", by=None, now=NOW)


def test_agreement_of_an_imported_file_is_what_other_programs_find(campaign):
    load(campaign, listed(table()))
    figures = agreement_figures(campaign, "person")
    assert figures["items"] == 10
    found = {name: estimate["value"] for name, estimate in figures["whole"].items()}
    assert found["percent"] == pytest.approx(22 / 30)
    assert found["fleiss"] == pytest.approx(0.5818815331)
    assert found["nominal"] == pytest.approx(1 - (1 - 0.5818815331) * 29 / 30)
    kappas = {
        (pair["one"][-1], pair["other"][-1]): pair["kappa"]["value"] for pair in figures["pairs"]
    }
    assert kappas == {
        ("1", "2"): pytest.approx(0.6875),
        ("1", "3"): pytest.approx(0.6875),
        ("2", "3"): pytest.approx(0.375),
    }


def test_every_annotator_has_a_judgment_of_each_pair(campaign):
    report = load(campaign, listed(table()))
    assert (report.preferences, report.judgments) == (10, 30)
    assert set(Judgment.objects.values_list("annotator", flat=True)) == {
        "annotator1", "annotator2", "annotator3",
    }  # fmt: skip
    third = Judgment.objects.filter(comparison=Comparison.objects.order_by("id")[2])
    assert list(third.order_by("annotator").values_list("preference", flat=True)) == [-1, -1, 1]
    tie = Judgment.objects.filter(comparison=Comparison.objects.order_by("id")[3]).first()
    assert (tie.preference, tie.equal, tie.judge_kind) == (0, "tie", "person")


def test_who_wrote_the_responses_is_read_from_the_file(campaign):
    load(campaign, listed(table()))
    assert set(Policy.objects.values_list("name", "version", "checkpoint")) >= {
        ("bloom-7b", 0, ""),
        ("pythia-6-9b", 0, ""),
    }
    first = Comparison.objects.order_by("id").first().first
    assert (first.text, first.policy.name) == ("Long answer 0.", "bloom-7b")


def test_a_response_that_is_compared_twice_is_stored_once(campaign):
    other = entry(1, response2="Another one.", cmp_key="bloom-7b_opt-7b")
    load(campaign, listed([entry(1), other]))
    assert Comparison.objects.count() == 2
    assert Response.objects.filter(policy__name="bloom-7b").count() == 1


def test_the_same_texts_of_other_authors_are_another_pair(campaign):
    report = load(campaign, listed([entry(1), entry(1, cmp_key="a_b"), entry(1)]))
    assert (report.preferences, report.repeated) == (2, 1)


def test_instruction_and_input_are_the_prompt(campaign):
    load(campaign, listed([entry(1), entry(2, input="")]))
    said = {prompt.messages[0]["content"] for prompt in Prompt.objects.all()}
    assert said == {"Say it shorter.\n\nText 1.", "Say it shorter."}
    assert set(Prompt.objects.values_list("category", flat=True)) == {"Grammarly"}


def test_an_answer_that_became_a_truth_value_is_a_text_again(campaign):
    load(campaign, listed([entry(1, response1=True)]))
    assert Comparison.objects.get().first.text == "True"


def test_a_pair_with_an_empty_response_counts_for_agreement_and_never_for_training(campaign):
    load(campaign, listed([entry(1, (2, 2, 2), response1=""), entry(2), entry(3, (1, 2, 1))]))
    assert agreement_figures(campaign, "person")["items"] == 3
    snapshot = take_snapshot(campaign=campaign, by=None)
    with artifacts.open_artifact(snapshot.artifact_url) as file:
        rows = [json.loads(line) for line in file]
    assert len(rows) == 2
    assert all(row["chosen"] and row["rejected"] for row in rows)
    assert len(list(preference_rows(campaign))) == 6


def test_json_lines_and_gzip_are_read_too(campaign):
    lines = "".join(json.dumps(row) + "\n" for row in table()[:5]).encode()
    assert load(campaign, io.BytesIO(lines)).judgments == 15
    rest = gzip.compress(json.dumps(table()[5:]).encode())
    assert load(campaign, io.BytesIO(rest)).judgments == 15


def test_a_list_is_read_whole_however_its_pieces_fall(campaign, monkeypatch):
    monkeypatch.setattr("labeling.files.annotated.CHUNK", 7)
    assert load(campaign, listed(table())).judgments == 30


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"annotator2": 3}, 'Entry 2: "annotator2" must be 0'),
        ({"annotator2": True}, 'Entry 2: "annotator2" must be 0'),
        ({"response1": None}, 'Entry 2: "response1" must be a text'),
        ({"instruction": "", "input": ""}, "Entry 2: A message of the prompt is empty"),
        ({"response2": "\x00"}, "Entry 2: a response holds a NUL"),
        ({"response2": "\ud800"}, "Entry 2: it holds half a character"),
        ({"category": "\x00"}, 'Entry 2: "category" holds a NUL'),
    ],
)
def test_a_bad_entry_imports_nothing_and_names_itself(campaign, wrong, sentence):
    with pytest.raises(errors.BadRow, match=sentence) as refused:
        load(campaign, listed([entry(1), {**entry(2), **wrong}]))
    assert str(refused.value).endswith("Nothing was imported.")
    assert not Prompt.objects.exists()


def test_a_list_that_breaks_off_is_refused_where_it_does(campaign):
    whole = json.dumps(table()).encode()
    with pytest.raises(errors.BadRow, match="Entry 10: this is not valid JSON"):
        load(campaign, io.BytesIO(whole[:-10]))


def test_a_row_without_annotators_is_refused(campaign):
    with pytest.raises(errors.BadRow, match="no annotator is there"):
        load(campaign, listed([entry(1, ())]))


def test_a_manager_uploads_such_a_file_and_reads_what_became_of_it(client, campaign, carol):
    client.force_login(carol)
    file = listed(table())
    file.name = "test.json"
    address = reverse("labeling:import", args=[campaign.pk])
    said = client.post(address, {"file": file}, follow=True).text
    assert "10 pairs with 30 judgments imported" in said


def test_the_command_takes_it_in_too(campaign, tmp_path):
    path = tmp_path / "test.json"
    path.write_bytes(listed(table()).getvalue())
    out = io.StringIO()
    call_command("import_preferences", path, campaign=campaign.name, stdout=out)
    assert "Imported 10 preferences (30 judgments)" in out.getvalue()
