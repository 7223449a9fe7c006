"""Writing ideal answers in Chromium, by the keyboard alone; and what is refused without it."""

import uuid

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from labeling.models import Demonstration, DemonstrationSkip, DemonstrationSlot, Judgment
from labeling.services.demonstrations import want_demonstrations
from tests.cast import ask, pair, write
from tests.pages.axe import violations

browser = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PALE = "Air scatters **blue** light."


@pytest.fixture
def editing(writing_campaign, policy):
    """The campaign asks for one more answer, which may start from one of two responses."""
    DemonstrationSlot.objects.all().delete()
    prompt = ask("Why is the sky blue?")
    responses = pair(prompt, policy, "It reflects the sea.", PALE)
    want_demonstrations(campaign=writing_campaign, prompts=[prompt], offers={prompt.pk: responses})
    return writing_campaign


@pytest.fixture
def open_writing(live_server, sign_in):
    def enter(who, campaign) -> Page:
        page = sign_in(who)
        page.goto(live_server.url + reverse("labeling:work", args=[campaign.pk]))
        expect(page.get_by_role("button", name="Keys")).to_be_visible()
        return page

    return enter


class TestByKeyboard:
    pytestmark = browser

    def test_an_answer_is_written_seen_and_stored_and_the_next_prompt_comes(
        self, open_writing, alice, writing_campaign
    ):
        page = open_writing(alice, writing_campaign)
        page.keyboard.press("w")
        page.keyboard.type("Because **so**.")
        expect(page.locator("#preview strong")).to_have_text("so")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("1 written today")).to_be_visible()
        expect(page.get_by_label("The ideal answer")).to_have_value("")
        made = Demonstration.objects.get()
        assert (made.text, made.labeler, made.started_from) == ("Because **so**.", alice, None)
        assert made.seconds > 0

    def test_a_response_is_edited_into_the_answer_and_the_changes_are_shown(
        self, open_writing, alice, editing
    ):
        page = open_writing(alice, editing)
        page.keyboard.press("2")
        expect(page.get_by_label("The ideal answer")).to_have_value(PALE)
        expect(page.get_by_role("heading", name="What you changed")).to_be_visible()
        page.keyboard.press("Control+End")
        page.keyboard.type(" Red light goes straight on.")
        expect(page.locator("#preview ins")).to_have_text(" Red light goes straight on.")
        assert not violations(page)
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="No prompt is waiting")).to_be_visible()
        made = Demonstration.objects.get()
        assert made.started_from.text == PALE
        assert made.text == f"{PALE} Red light goes straight on."

    def test_a_page_without_a_prompt_looks_again_by_itself(
        self, page, open_writing, alice, editing
    ):
        page.clock.install()
        DemonstrationSlot.objects.all().delete()
        open_writing(alice, editing)
        expect(page.get_by_role("heading", name="No prompt is waiting")).to_be_visible()
        want_demonstrations(campaign=editing, prompts=[ask("Why is grass green?")], offers={})
        page.clock.fast_forward(21_000)
        expect(page.get_by_label("The ideal answer")).to_be_visible()

    def test_what_was_written_comes_back_by_undo_and_starting_from_nothing_says_so(
        self, open_writing, alice, editing
    ):
        page = open_writing(alice, editing)
        text = page.get_by_label("The ideal answer")
        page.keyboard.press("w")
        page.keyboard.type("My own.")
        page.keyboard.press("Escape")
        page.keyboard.press("1")
        expect(text).to_have_value("It reflects the sea.")
        page.keyboard.press("Control+z")
        expect(text).to_have_value("My own.")
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        expect(text).to_have_value("")
        page.keyboard.type("Mine.")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("heading", name="No prompt is waiting")).to_be_visible()
        assert Demonstration.objects.get().started_from is None

    def test_a_draft_is_back_after_the_page_was_lost(self, open_writing, alice, editing):
        page = open_writing(alice, editing)
        page.keyboard.press("1")
        page.keyboard.press("Control+End")
        page.keyboard.type(" Half an ans")
        expect(page.get_by_text("Draft kept")).to_be_visible()
        page.reload()
        expect(page.get_by_label("The ideal answer")).to_have_value(
            "It reflects the sea. Half an ans"
        )
        expect(page.locator("#preview ins")).to_have_text(" Half an ans")

    def test_a_server_that_is_away_costs_nothing_and_the_answer_is_stored_once(
        self, open_writing, alice, writing_campaign
    ):
        page = open_writing(alice, writing_campaign)
        page.keyboard.press("w")
        page.keyboard.type("Kept.")
        page.context.set_offline(True)
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("The server does not answer.")).to_be_visible()
        expect(page.get_by_label("The ideal answer")).to_have_value("Kept.")
        page.context.set_offline(False)
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("1 written today")).to_be_visible()
        assert Demonstration.objects.get().text == "Kept."

    def test_what_is_typed_after_sending_is_not_taken_and_lost(
        self, open_writing, alice, writing_campaign
    ):
        page = open_writing(alice, writing_campaign)
        held: list[Route] = []
        page.route("**/label/prompts/*/", lambda route: held.append(route))
        page.keyboard.press("w")
        page.keyboard.type("Because.")
        page.keyboard.press("Control+Enter")
        while not held:
            page.wait_for_timeout(50)
        page.keyboard.type(" And so on.")
        expect(page.get_by_label("The ideal answer")).to_have_value("Because.")
        page.keyboard.press("Control+Enter")
        held[0].continue_()
        expect(page.get_by_text("1 written today")).to_be_visible()
        assert len(held) == 1

    def test_a_prompt_is_skipped_with_a_reason(self, open_writing, alice, editing):
        page = open_writing(alice, editing)
        page.keyboard.press("s")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        page.keyboard.type("Which sky?")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="No prompt is waiting")).to_be_visible()
        kept = DemonstrationSkip.objects.get()
        assert (kept.reason, kept.note) == ("unclear", "Which sky?")

    def test_the_last_answer_is_changed_and_the_first_version_kept(
        self, open_writing, alice, writing_campaign
    ):
        write(alice, writing_campaign, "First.")
        page = open_writing(alice, writing_campaign)
        page.keyboard.press("u")
        text = page.get_by_label("The ideal answer")
        expect(text).to_have_value("First.")
        page.keyboard.press("w")
        page.keyboard.press("Control+End")
        page.keyboard.type(" And more.")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("Your answer is changed.")).to_be_visible()
        assert set(Demonstration.objects.values_list("text", flat=True)) == {
            "First.",
            "First. And more.",
        }

    def test_a_key_is_given_to_another_action_and_an_empty_answer_is_refused_in_place(
        self, open_writing, alice, writing_campaign
    ):
        page = open_writing(alice, writing_campaign)
        page.keyboard.press("?")
        page.get_by_role("button", name="Change the key: Write").press("Enter")
        page.keyboard.press("e")
        assert not violations(page)
        page.keyboard.press("Escape")
        page.keyboard.press("e")
        expect(page.get_by_label("The ideal answer")).to_be_focused()
        page.keyboard.press("Control+Enter")
        expect(page.locator("[data-trouble]")).to_contain_text("Write the answer first.")

    def test_harmful_responses_are_warned_of_and_covered_and_not_edited_unseen(
        self, open_writing, alice, editing
    ):
        editing.content_warnings = ["violence"]
        editing.save()
        page = open_writing(alice, editing)
        page.get_by_role("button", name="Begin").press("Enter")
        text = page.get_by_label("The ideal answer")
        expect(text).to_be_visible()
        expect(page.get_by_role("button", name="Keys")).to_be_visible()  # the scripts are there
        page.keyboard.press("1")
        expect(page.locator(".veil summary")).to_be_focused()
        expect(text).to_have_value("")
        assert not violations(page)
        page.keyboard.press("v")
        expect(page.get_by_text("It reflects the sea.")).to_be_visible()
        page.keyboard.press("v")
        expect(page.get_by_text("It reflects the sea.")).to_be_hidden()
        page.keyboard.press("Enter")
        expect(page.get_by_text("It reflects the sea.")).to_be_visible()
        page.keyboard.press("1")
        expect(text).to_have_value("It reflects the sea.")

    def test_the_better_response_of_a_pair_is_edited_into_the_ideal_one(
        self, open_work, alice, campaign, fill
    ):
        campaign.edits_better = True
        campaign.save()
        [assignment, _] = fill(campaign, 2)
        page = open_work(alice, campaign)
        page.keyboard.press("1")
        page.keyboard.press("i")
        page.get_by_role("button", name="Start from this").wait_for()
        better = assignment.left.text
        page.keyboard.press("1")
        expect(page.get_by_label("The ideal answer")).to_have_value(better)
        page.keyboard.press("Control+End")
        page.keyboard.type(" And why.")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("1 judged today")).to_be_visible()
        made = Demonstration.objects.get()
        assert (made.text, made.started_from.text) == (f"{better} And why.", better)
        assert Judgment.objects.get().comparison == assignment.comparison


class TestWithoutScripts:
    def test_an_answer_is_stored_and_leads_on(self, client, alice, writing_campaign):
        client.force_login(alice)
        page = client.get(reverse("labeling:write", args=[writing_campaign.pk]))
        slot = page.context["slot"]
        address = reverse("labeling:demonstrate", args=[slot.pk])
        answer = {"text": "So.", "client_key": uuid.uuid4()}
        assert client.post(address, answer).status_code == 302
        assert Demonstration.objects.get().text == "So."

    def test_ones_own_history_leads_back_to_what_one_wrote(self, client, alice, writing_campaign):
        made = write(alice, writing_campaign, "Mine.")
        client.force_login(alice)
        page = client.get(reverse("labeling:history")).content.decode()
        assert "Mine." in page
        assert reverse("labeling:change_demonstration", args=[made.pk]) in page

    def test_an_answer_that_came_too_late_is_shown_with_its_text(
        self, client, alice, bob, writing_campaign
    ):
        client.force_login(alice)
        write(bob, writing_campaign)
        slot = DemonstrationSlot.objects.get(labeler=bob)
        page = client.post(
            reverse("labeling:demonstrate", args=[slot.pk]),
            {"text": "Too late.", "client_key": uuid.uuid4()},
        )
        assert page.status_code == 409
        assert "all its places are taken" in page.content.decode()
        assert "Too late." in page.content.decode()

    def test_nobody_reaches_prompts_and_answers_of_campaigns_they_are_not_in(
        self, client, mallory, alice, bob, writing_campaign
    ):
        made = write(alice, writing_campaign)
        slot = made.slot
        client.force_login(mallory)
        for name, pk in (
            ("write", writing_campaign.pk),
            ("demonstrate", slot.pk),
            ("last_demonstration", writing_campaign.pk),
            ("change_demonstration", made.pk),
            ("demonstrations", writing_campaign.pk),
            ("export_demonstrations", writing_campaign.pk),
        ):
            assert client.get(reverse(f"labeling:{name}", args=[pk])).status_code == 404
        for name, pk in (
            ("preview", slot.pk),
            ("skip_prompt", slot.pk),
            ("snapshot_demonstrations", writing_campaign.pk),
            ("import_demonstrations", writing_campaign.pk),
        ):
            assert client.post(reverse(f"labeling:{name}", args=[pk])).status_code == 404
        client.force_login(bob)
        address = reverse("labeling:change_demonstration", args=[made.pk])
        assert client.get(address).status_code == 404, "another labeler's own"

    def test_a_preview_says_that_the_prompt_is_still_worked_on(
        self, client, alice, bob, writing_campaign
    ):
        client.force_login(alice)
        slot = client.get(reverse("labeling:write", args=[writing_campaign.pk])).context["slot"]
        DemonstrationSlot.objects.filter(pk=slot.pk).update(leased_until=timezone.now())
        address = reverse("labeling:preview", args=[slot.pk])
        assert client.post(address, {"text": "So"}).status_code == 200
        slot.refresh_from_db()
        assert slot.leased_until > timezone.now()

    def test_what_a_text_shows_can_do_nothing(self, client, alice, writing_campaign):
        client.force_login(alice)
        slot = client.get(reverse("labeling:write", args=[writing_campaign.pk])).context["slot"]
        page = client.post(
            reverse("labeling:preview", args=[slot.pk]),
            {"text": "<script>alert(1)</script> [a](http://x.example)"},
        ).content.decode()
        assert "<script" not in page
        assert "<a " not in page


class TestManager:
    def test_freezing_exporting_and_importing_say_what_happened(
        self, client, carol, alice, writing_campaign, settings, tmp_path
    ):
        settings.ARTIFACTS_URL = f"file://{tmp_path}"
        write(alice, writing_campaign, "Exported.")
        client.force_login(carol)
        pk = writing_campaign.pk
        page = client.get(reverse("labeling:campaign", args=[pk])).content.decode()
        assert "1 of 3 answers" in page
        taken = client.post(
            reverse("labeling:snapshot_demonstrations", args=[pk]),
            {"sources": ["written"]},
            follow=True,
        )
        assert "held out." in taken.content.decode()
        out = client.get(
            reverse("labeling:export_demonstrations", args=[pk]), {"layout": "messages"}
        )
        assert b"Exported." in b"".join(out.streaming_content)
        file = tmp_path / "bad.jsonl"
        file.write_text('{"prompt": "Why?"}\n')
        with file.open("rb") as content:
            page = client.post(
                reverse("labeling:import_demonstrations", args=[pk]),
                {"file": content, "written_by": "person"},
                follow=True,
            ).content.decode()
        assert "Line 1" in page
        assert "Nothing was imported." in page

    def test_a_campaign_of_pairs_shows_no_demonstrations_unless_there_are_some(
        self, client, carol, campaign
    ):
        client.force_login(carol)
        address = reverse("labeling:demonstrations", args=[campaign.pk])
        assert client.get(address).content.strip() == b""

    def test_asking_for_answers_makes_a_slot_for_each_prompt_once(
        self, client, carol, writing_campaign
    ):
        writing_campaign.prompts.add(ask("A fourth?"))
        client.force_login(carol)
        for count in (1, 0):
            page = client.post(reverse("rlhf:pairs", args=[writing_campaign.pk]), follow=True)
            assert f"{count} answers more are asked for." in page.content.decode()
        assert DemonstrationSlot.objects.count() == 4
