"""Reports on agreement: from the judgments that stand to the page and its files."""

import csv
import io
import uuid

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling.models import Campaign, Judgment, PreferenceImport, Report
from labeling.selectors.agreement import agreement_figures
from labeling.services.corrections import retract_answer
from labeling.services.reports import FIGURES, request_report, request_stale
from labeling.statistics.agreement import Level, alpha, tallied
from labeling.tasks import compute_report
from tests.cast import judge


@pytest.fixture
def twice(campaign, fill, alice, bob):
    """Six pairs that both judged, of which they agree on four."""
    Campaign.objects.filter(pk=campaign.pk).update(overlap=2, aspects=["honesty"])
    campaign.refresh_from_db()
    fill(campaign, 6)
    for one, other in [(-1, -2), (2, 2), (-3, -1), (1, 3), (-1, 1), (2, -2)]:
        judge(alice, campaign, one)
        judge(bob, campaign, other)
    return campaign


def page(campaign, name="dashboard", *more):
    return reverse(f"labeling:{name}", args=[campaign.pk, "agreement", *more])


def computed(campaign, judges="person"):
    report = request_report(campaign=campaign, subject="agreement", judges=judges, by=None)
    compute_report(report.pk)
    report.refresh_from_db()
    return report


def annotated(campaign, pairs, table):
    """Judgments of the annotators a, b, c ... of one imported file; -1 first, 1 second, 0 tie."""
    source = PreferenceImport.objects.create(campaign=campaign, name="file", digest=uuid.uuid4())
    for comparison, answers in zip(pairs, table, strict=True):
        for annotator, answer in zip("abc", answers, strict=False):
            Judgment.objects.create(
                comparison=comparison,
                judge_kind="person",
                imported_from=source,
                annotator=annotator,
                preference=answer,
                equal="" if answer else "tie",
                client_key=uuid.uuid4(),
            )


def test_the_choice_counts_in_percent_and_the_strength_on_the_scale(twice):
    figures = agreement_figures(twice, "person")
    assert figures["whole"]["percent"]["value"] == pytest.approx(4 / 6)
    strengths = [[-1, -2], [2, 2], [-3, -1], [1, 3], [-1, 1], [2, -2]]
    for level in (Level.ORDINAL, Level.INTERVAL):
        wanted = alpha(tallied(strengths, range(-4, 5)), level).value
        assert figures["whole"][level]["value"] == pytest.approx(wanted)


def test_each_pair_of_labelers_is_compared_on_what_both_judged(twice, alice, bob):
    [pair] = agreement_figures(twice, "person")["pairs"]
    assert {pair["one"], pair["other"]} == {f"u{alice.pk}", f"u{bob.pk}"}
    assert pair["percent"]["items"] == 6
    assert pair["percent"]["value"] == pytest.approx(4 / 6)
    assert pair["kappa"]["value"] == pytest.approx(1 / 3)


def test_an_answer_taken_back_takes_no_part(twice, alice):
    newest = Judgment.objects.filter(labeler=alice).latest("id")
    retract_answer(judgment=newest, labeler=alice, client_key=uuid.uuid4(), now=timezone.now())
    assert agreement_figures(twice, "person")["whole"]["percent"]["value"] == pytest.approx(4 / 5)


def test_simulated_judgments_are_never_mixed_with_those_of_people(twice):
    assert agreement_figures(twice, "simulation")["items"] == 0


def test_annotators_of_an_imported_file_stay_apart(campaign, fill):
    fill(campaign, 4)
    table = [(-1, -1, 1), (1, 1, 1), (0, 0, 0), (-1, 0, 1)]
    annotated(campaign, campaign.comparisons.order_by("id"), table)
    figures = agreement_figures(campaign, "person")
    assert figures["whole"]["percent"]["value"] == pytest.approx(7 / 12)
    assert sorted(pair["percent"]["value"] for pair in figures["pairs"]) == [0.5, 0.5, 0.75]


def test_only_imported_judgments_name_an_annotator(twice):
    judgment = Judgment.objects.first()
    with pytest.raises(IntegrityError, match="only_imported"), transaction.atomic():
        Judgment.objects.create(
            **{
                field.attname: getattr(judgment, field.attname)
                for field in Judgment._meta.concrete_fields
                if field.name not in ("id", "annotator", "client_key")
            },
            client_key=uuid.uuid4(),
            annotator="a",
        )


def test_parts_are_told_by_category_and_week(twice):
    figures = agreement_figures(twice, "person")
    assert [part["name"] for part in figures["categories"]] == ["facts"]
    assert len(figures["weeks"]) == 1
    assert figures["aspects"] == []


def test_aspects_have_an_agreement_of_their_own(campaign, fill):
    fill(campaign, 30)
    source = PreferenceImport.objects.create(campaign=campaign, name="file", digest="d")
    rng = np.random.default_rng(1)
    said = []
    for comparison in campaign.comparisons.all():
        answers = rng.integers(-2, 3, 2).tolist()
        said.append(answers)
        for annotator, answer in zip("ab", answers, strict=True):
            Judgment.objects.create(
                comparison=comparison, judge_kind="person", imported_from=source, preference=1,
                annotator=annotator, aspects={"honesty": answer}, client_key=uuid.uuid4(),
            )  # fmt: skip
    [aspect] = agreement_figures(campaign, "person")["aspects"]
    assert aspect["name"] == "honesty"
    wanted = alpha(tallied(said, range(-4, 5)), Level.ORDINAL)
    assert aspect["alpha"]["value"] == pytest.approx(wanted.value)


# Reports ----------------------------------------------------------------------------------------


def test_a_report_is_asked_for_once_at_a_time(twice):
    asked = [
        request_report(campaign=twice, subject="agreement", judges="person", by=None)
        for _ in range(2)
    ]
    assert asked[0] == asked[1]


def test_a_report_delivered_twice_is_computed_once(twice):
    report = computed(twice)
    before = report.finished_at
    compute_report(report.pk)
    report.refresh_from_db()
    assert report.status == "done"
    assert report.finished_at == before


def test_a_new_report_takes_the_place_of_the_one_before(twice):
    computed(twice)
    newer = computed(twice)
    assert Report.objects.get() == newer


def test_reports_are_renewed_once_newer_judgments_came(twice, alice, fill):
    computed(twice)
    assert request_stale(timezone.now()) == 0
    fill(twice, 1)
    judge(alice, twice)
    assert request_stale(timezone.now()) == 1
    assert Report.objects.filter(status="queued").count() == 1


def test_a_report_that_fails_says_why_and_may_be_asked_for_again(twice, monkeypatch, client, carol):
    def broken(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setitem(FIGURES, "agreement", broken)
    report = request_report(campaign=twice, subject="agreement", judges="person", by=None)
    with pytest.raises(ZeroDivisionError):
        compute_report(report.pk)
    client.force_login(carol)
    assert "division by zero" in client.get(page(twice)).text
    again = request_report(campaign=twice, subject="agreement", judges="person", by=None)
    assert again != report


# Pages ------------------------------------------------------------------------------------------


def test_a_manager_asks_for_the_figures_and_reads_them(twice, client, carol):
    client.force_login(carol)
    assert "Not computed yet" in client.get(page(twice)).text
    asked = client.post(page(twice, "dashboard_compute"), follow=True).text
    assert "waits for a worker" in asked
    assert "HX-Refresh" not in client.get(page(twice, "dashboard_state")).headers
    compute_report(Report.objects.get().pk)
    assert client.get(page(twice, "dashboard_state")).headers["HX-Refresh"] == "true"
    shown = client.get(page(twice)).text
    assert "Percent agreement" in shown
    assert "alice – bob" in shown
    assert "66.7" in shown or "0.67" in shown


def test_what_is_undefined_is_explained(campaign, client, carol):
    computed(campaign)
    client.force_login(carol)
    shown = client.get(page(campaign)).text
    assert "no pair was judged by two" in shown
    assert "nan" not in shown.lower().split()


def test_the_table_behind_a_chart_is_a_csv_file(twice, client, carol):
    computed(twice)
    client.force_login(carol)
    answer = client.get(page(twice, "dashboard_table", "pairs"))
    assert answer["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert (rows[0]["one"], rows[0]["other"], rows[0]["pairs"]) == ("alice", "bob", "6")
    assert client.get(page(twice, "dashboard_table", "nothing")).status_code == 404


def test_dashboards_are_for_managers(twice, client, alice, mallory):
    for who in (alice, mallory):
        client.force_login(who)
        assert client.get(page(twice)).status_code == 404
        assert client.post(page(twice, "dashboard_compute")).status_code == 404
        assert client.get(page(twice, "dashboard_table", "pairs")).status_code == 404
    assert not Report.objects.exists()


def test_an_unknown_dashboard_or_kind_of_judge_does_not_exist(twice, client, carol):
    client.force_login(carol)
    assert client.get(reverse("labeling:dashboard", args=[twice.pk, "nothing"])).status_code == 404
    assert client.get(page(twice) + "?judges=aliens").status_code == 404
