"""Files of prompts from the page to the campaign, and what is said about them before launch."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import AuditEvent, Campaign, Prompt, PromptFile, Report
from labeling.selectors.prompts import Spare, spare_prompts
from labeling.services import prompt_files
from labeling.services.comparisons import create_comparisons
from labeling.services.prompt_files import keep_upload, stop, take_in
from labeling.services.prompt_imports import Wanted, import_prompts
from labeling.services.prompts import store_prompts
from labeling.services.reports import compute
from labeling.services.spare_prompts import leave_out, take_back
from labeling.splits import split_of
from tests.cast import judge, pair
from tests.labeling.test_prompt_files import as_csv, as_parquet, jsonl, zipped

NOW = timezone.now()


@pytest.fixture(autouse=True)
def artifacts(settings, tmp_path):
    settings.ARTIFACTS_URL = f"file://{tmp_path / 'artifacts'}"
    return tmp_path / "artifacts"


def rows(*counts, name="Question"):
    return [
        {"prompt": f"{name} {category} number {n}?", "category": category}
        for category, count in counts
        for n in range(count)
    ]


def upload(campaign, carol, content, name="prompts.jsonl", **wanted):
    return keep_upload(
        campaign=campaign, file=io.BytesIO(content), name=name, wanted=Wanted(**wanted), by=carol
    )


def read(file):
    assert file.claim(timezone.now())
    take_in(file)
    file.refresh_from_db()
    return file


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (jsonl(), "p.jsonl"),
        (as_csv(), "p.csv"),
        (as_parquet(), "p.parquet"),
        (zipped({"data/train.csv": as_csv()}), "p.zip"),
    ],
)
def test_a_file_of_any_layout_comes_in(campaign, carol, content, name):
    file = read(upload(campaign, carol, content, name))
    assert (file.status, file.rows, file.prompts, file.pairs) == ("done", 2, 2, 0)
    assert set(campaign.prompts.values_list("category", flat=True)) == {"facts", "style"}
    event = AuditEvent.objects.get(act="prompts.imported")
    assert (event.actor, event.campaign, event.details["prompts"]) == (carol, campaign, 2)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (jsonl([{"prompt": "Hm?"}, {"question": "Hm?"}]), "x.jsonl", "Line 2, field “prompt”: it"),
        (jsonl([{"prompt": "Hm?", "category": 3}]), "x.jsonl", "Line 1, field “category”: it must"),
        (
            jsonl([{"prompt": "Hm?", "responses": ["one"]}]),
            "x.jsonl",
            "Line 1, field “responses”: it must be two texts",
        ),
        (as_csv([{"prompt": " ", "category": "a"}]), "x.csv", "Row 2, field “prompt”: A message"),
        (
            as_parquet([{"prompt": [{"role": "assistant", "content": "Hm."}]}]),
            "x.parquet",
            "Row 1, field “prompt”: The last message of the prompt must be the user's.",
        ),
        (
            zipped({"a.csv": as_csv([{"prompt": "", "category": "a"}])}),
            "x.zip",
            "a.csv: Row 2, field “prompt”",
        ),
    ],
)
def test_what_is_wrong_is_said_with_row_and_field_and_nothing_comes_in(
    campaign, carol, content, name, said
):
    file = read(upload(campaign, carol, content, name))
    assert file.status == "failed"
    assert said in file.error
    assert file.error.endswith("Nothing was imported.")
    assert not campaign.prompts.exists()
    assert not Prompt.objects.exists()


def test_fields_may_have_other_names(campaign, carol):
    content = as_csv([{"text": "Why?", "type": "facts"}])
    read(upload(campaign, carol, content, "x.csv", prompt_field="text", category_field="type"))
    assert campaign.prompts.get().category == "facts"


class TestSampling:
    def test_the_same_number_of_each_category(self, campaign, carol):
        content = jsonl(rows(("common", 40), ("rare", 3), ("other", 20)))
        file = read(upload(campaign, carol, content, sample_size=15, spread="evenly"))
        categories = list(campaign.prompts.values_list("category", flat=True))
        assert (file.rows, file.prompts) == (63, 15)
        assert [categories.count(c) for c in ("common", "rare", "other")] == [6, 3, 6]

    def test_in_the_shares_of_the_file(self, campaign, carol):
        content = jsonl(rows(("common", 40), ("rare", 4)))
        read(upload(campaign, carol, content, sample_size=11))
        categories = list(campaign.prompts.values_list("category", flat=True))
        assert [categories.count(c) for c in ("common", "rare")] == [10, 1]

    def test_the_same_file_gives_the_same_sample(self, campaign, carol):
        content = jsonl(rows(("common", 40)))
        for _ in range(2):
            read(upload(campaign, carol, content, sample_size=7))
        assert campaign.prompts.count() == 7


class TestLife:
    def test_the_bytes_are_kept_until_the_file_is_read_and_no_longer(
        self, campaign, carol, artifacts
    ):
        file = upload(campaign, carol, jsonl())
        assert [path.read_bytes() for path in artifacts.rglob("*") if path.is_file()] == [jsonl()]
        read(file)
        assert not [path for path in artifacts.rglob("*") if path.is_file()]

    def test_the_bytes_of_a_file_that_nobody_reads_go_as_well(
        self, campaign, carol, artifacts, django_capture_on_commit_callbacks
    ):
        file = upload(campaign, carol, jsonl())
        with django_capture_on_commit_callbacks(execute=True):
            stop(file=file, by=carol, now=NOW)
        assert not [path for path in artifacts.rglob("*") if path.is_file()]

    def test_the_same_file_is_not_read_twice_at_once(self, campaign, carol):
        file = upload(campaign, carol, jsonl())
        with pytest.raises(errors.BeingRead):
            upload(campaign, carol, jsonl())
        read(file)
        upload(campaign, carol, jsonl())

    def test_a_file_delivered_twice_is_read_once(self, campaign, carol):
        file = upload(campaign, carol, jsonl())
        assert file.claim(NOW)
        assert not PromptFile.objects.get(pk=file.pk).claim(NOW)

    def test_a_file_that_was_stopped_brings_nothing(self, campaign, carol, monkeypatch):
        file = upload(campaign, carol, jsonl(rows(("a", 1200))))
        checked = []

        def stopped_at_the_second_look(self, now, **values):
            checked.append(values["rows_checked"])
            if len(checked) == 2:
                stop(file=self, by=carol, now=now)
            return PromptFile.objects.filter(pk=self.pk, status="running").exists()

        monkeypatch.setattr(PromptFile, "told", stopped_at_the_second_look)
        read(file)
        assert (file.status, checked) == ("stopped", [500, 1000])
        assert not campaign.prompts.exists()
        assert AuditEvent.objects.filter(act="prompts.stopped").exists()
        with pytest.raises(errors.NothingToStop):
            stop(file=file, by=carol, now=NOW)

    def test_a_stop_while_rows_are_stored_takes_them_back(self, campaign, carol, monkeypatch):
        file = upload(campaign, carol, jsonl(rows(("a", 1200))))
        looks = []

        def stopped_at_the_second_look(watcher):
            looks.append(campaign.prompts.count())
            if len(looks) == 2:
                raise prompt_files.Stopped

        monkeypatch.setattr(
            prompt_files._Progress, "storing", lambda self: stopped_at_the_second_look(self)
        )
        read(file)
        assert looks == [0, 500]
        assert not campaign.prompts.exists()

    def test_what_became_of_a_file_fits_together(self, campaign, carol):
        file = upload(campaign, carol, jsonl())
        for wrong in ({"status": "done"}, {"status": "failed", "ended_at": NOW}):
            with pytest.raises(IntegrityError), transaction.atomic():
                PromptFile.objects.filter(pk=file.pk).update(**wrong)


class TestPage:
    def test_a_manager_uploads_and_sees_what_came_of_it(self, client, campaign, carol):
        client.force_login(carol)
        page = client.get(reverse("labeling:prompts", args=[campaign.pk]))
        assert "No file came in yet" in page.content.decode()
        sent = {
            "file": SimpleUploadedFile("bad.csv", as_csv([{"text": "Hm?"}])),
            "sample_size": "",
            "spread": "evenly",
        }
        answer = client.post(reverse("labeling:prompts_upload", args=[campaign.pk]), sent)
        assert answer["Location"] == reverse("labeling:prompts", args=[campaign.pk])
        live = client.get(reverse("labeling:prompts_live", args=[campaign.pk])).content.decode()
        assert "bad.csv" in live
        assert "waits" in live
        read(PromptFile.objects.get())
        page = client.get(reverse("labeling:prompts", args=[campaign.pk])).content.decode()
        assert "Row 2, field “prompt”: it is missing; the row has “text”." in page

    def test_a_missing_file_is_said_beside_its_field(self, client, campaign, carol):
        client.force_login(carol)
        address = reverse("labeling:prompts_upload", args=[campaign.pk])
        answer = client.post(address, {"spread": "evenly", "sample_size": "0"})
        assert answer.status_code == 422
        assert "Choose a file first." in answer.content.decode()

    def test_stopping(self, client, campaign, carol, mallory):
        file = upload(campaign, carol, jsonl())
        address = reverse("labeling:prompts_stop", args=[file.pk])
        client.force_login(mallory)
        assert client.post(address).status_code == 404
        client.force_login(carol)
        client.post(address)
        file.refresh_from_db()
        assert file.status == "stopped"


def near(side, wanted):
    """A prompt that says nearly the same as the others made here, on one side of the split."""
    for n in range(200):
        text = f"Please tell me in a few plain words why the sky over the sea looks blue. {n}"
        [prompt] = store_prompts([([{"role": "user", "content": text}], "")])
        if split_of(prompt.digest) == side and prompt.pk not in wanted:
            return prompt
    raise AssertionError


def report_of(campaign):
    report = Report.objects.filter(campaign=campaign, subject="prompts").first()
    if report is None or not report.is_active:
        report = Report.objects.create(campaign=campaign, subject="prompts", judges="person")
    assert report.claim(timezone.now())
    compute(report)
    return report.figures


class TestBeforeLaunch:
    def test_a_check_is_asked_for_once_a_file_is_in(self, campaign, carol):
        read(upload(campaign, carol, jsonl()))
        assert Report.objects.get(campaign=campaign).subject == "prompts"
        figures = report_of(campaign)
        assert [part["name"] for part in figures["categories"]] == ["facts", "style"]
        assert (figures["too_many"], figures["leaking"]) == (0, 0)

    def test_near_duplicates_on_one_side_are_no_leak(self, campaign):
        one = near("train", set())
        campaign.prompts.add(one, near("train", {one.pk}))
        figures = report_of(campaign)
        assert (figures["too_many"], figures["leaking"]) == (1, 0)
        assert figures["groups"][0]["prompts"] == 2

    def test_near_duplicates_on_both_sides_leak(self, campaign):
        campaign.prompts.add(near("train", set()), near("test", set()))
        figures = report_of(campaign)
        assert (figures["leaking"], figures["leaks"][0]["elsewhere"]) == (2, False)

    def test_what_another_campaign_tests_with_leaks_too(self, campaign):
        other = Campaign.objects.create(name="Another")
        other.prompts.add(near("test", set()))
        campaign.prompts.add(near("train", set()))
        figures = report_of(campaign)
        assert (figures["too_many"], figures["leaks"][0]["elsewhere"]) == (0, True)

    def test_a_draft_says_so_before_it_is_opened(self, client, campaign, carol):
        campaign.status = "draft"
        campaign.save()
        campaign.prompts.add(near("train", set()), near("test", set()))
        report_of(campaign)
        client.force_login(carol)
        page = client.get(reverse("labeling:campaign", args=[campaign.pk])).content.decode()
        assert "results on the test side would look too good" in page
        dashboard = client.get(reverse("labeling:dashboard", args=[campaign.pk, "prompts"]))
        assert "On both sides of the split" in dashboard.content.decode()
        prompts = client.get(reverse("labeling:prompts", args=[campaign.pk])).content.decode()
        assert "1 prompt says nearly the same as another." in prompts


class TestLeavingNearDuplicatesOut:
    @pytest.fixture
    def nearly_the_same(self, campaign):
        """Three prompts that say nearly the same, and one that says something else."""
        made = [near("train", set())]
        while len(made) < 3:
            made.append(near("train", {prompt.pk for prompt in made}))
        [other] = store_prompts([([{"role": "user", "content": "What is a fjord?"}], "")])
        campaign.prompts.add(*made, other)
        report_of(campaign)
        return made

    def test_one_of_each_group_stays(self, campaign, carol, nearly_the_same):
        first, *others = nearly_the_same
        assert spare_prompts(campaign).prompts == [prompt.pk for prompt in others]
        assert leave_out(campaign=campaign, by=carol) == 2
        assert first in campaign.prompts.all()
        assert (campaign.prompts.count(), campaign.left_out.count()) == (2, 2)
        with pytest.raises(errors.NothingToLeaveOut):
            leave_out(campaign=campaign, by=carol)
        event = AuditEvent.objects.first()
        assert (event.act, event.actor) == ("prompts.left_out", carol)
        assert event.details == {"prompts": [prompt.pk for prompt in others]}
        assert report_of(campaign)["too_many"] == 0

    def test_what_is_asked_or_judged_already_is_never_touched(
        self, campaign, carol, alice, policy, nearly_the_same
    ):
        first, judged, asked = nearly_the_same
        create_comparisons(
            campaign=campaign,
            pairs=[pair(prompt, policy, "One.", "Two.") for prompt in (judged, asked)],
        )
        judge(alice, campaign)
        assert spare_prompts(campaign) == Spare(prompts=[first.pk], asked=1)
        leave_out(campaign=campaign, by=carol)
        assert {judged, asked} < set(campaign.prompts.all())
        assert first not in campaign.prompts.all()

    def test_what_another_campaign_asks_can_be_left_out_here(
        self, campaign, carol, policy, nearly_the_same
    ):
        other = Campaign.objects.create(name="Another")
        create_comparisons(
            campaign=other, pairs=[pair(p, policy, "One.", "Two.") for p in nearly_the_same]
        )
        assert leave_out(campaign=campaign, by=carol) == 2

    def test_what_was_left_out_is_taken_back(self, campaign, carol, nearly_the_same):
        leave_out(campaign=campaign, by=carol)
        assert take_back(campaign=campaign, by=carol) == 2
        assert (campaign.prompts.count(), campaign.left_out.count()) == (4, 0)
        assert AuditEvent.objects.first().act == "prompts.taken_back"
        assert take_back(campaign=campaign, by=carol) == 0
        assert AuditEvent.objects.filter(act="prompts.taken_back").count() == 1

    def test_without_a_check_there_is_nothing_to_leave_out(self, campaign, carol):
        campaign.prompts.add(near("train", set()))
        with pytest.raises(errors.NothingToLeaveOut):
            leave_out(campaign=campaign, by=carol)

    def test_the_page_says_how_many_before_it_is_done(
        self, client, campaign, carol, nearly_the_same
    ):
        client.force_login(carol)
        page = reverse("labeling:prompts", args=[campaign.pk])
        assert "2 prompts would be left out" in client.get(page).text
        answer = client.post(reverse("labeling:prompts_leave_out", args=[campaign.pk]), follow=True)
        assert "2 prompts are left out." in answer.text
        assert "2 near-duplicates are left out." in answer.text
        report_of(campaign)
        assert "would be left out" not in client.get(page).text
        answer = client.post(reverse("labeling:prompts_leave_out", args=[campaign.pk]), follow=True)
        assert "No prompt that is not asked yet" in answer.text
        answer = client.post(reverse("labeling:prompts_take_back", args=[campaign.pk]), follow=True)
        assert "2 prompts are asked again." in answer.text


def test_a_folder_on_the_server_is_imported_by_the_command(campaign, tmp_path):
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    (folder / "train-00000-of-00001.parquet").write_bytes(as_parquet(rows(("a", 5), ("b", 5))))
    said = io.StringIO()
    call_command(
        "import_prompts",
        str(tmp_path / "set"),
        campaign="Helpfulness",
        split="train",
        sample=4,
        evenly=True,
        stdout=said,
    )
    assert said.getvalue().strip() == "Imported 4 prompts and 0 pairs to judge."


def test_a_pair_in_a_file_is_made_once(campaign, carol):
    content = jsonl([{"prompt": "Why?", "responses": ["Because.", "No idea."]}])
    for pairs in (1, 0):
        report = import_prompts(campaign=campaign, file=io.BytesIO(content), by=carol)
        assert (report.prompts, report.pairs) == (1, pairs)
