import io
import json
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import (
    Assignment,
    AuditEvent,
    Campaign,
    GoldQuestion,
    Hold,
    Judgment,
    Membership,
)
from labeling.selectors.campaigns import agreement, progress
from labeling.selectors.judgments import current_judgments
from labeling.selectors.quality import agreement_with_gold, labelers_quality, self_agreement
from labeling.services.assignments import claim_ahead, claim_next, release
from labeling.services.campaigns import change_status
from labeling.services.corrections import retract_answer
from labeling.services.exports import preference_rows
from labeling.services.gold import add_gold, import_gold, retire_gold
from labeling.services.holds import lift_hold, place_hold
from labeling.services.judgments import Answer, record_judgment
from labeling.services.skips import skip_comparison
from labeling.services.snapshots import take_snapshot
from tests.cast import judge

NOW = timezone.now()
LATER = NOW + timedelta(days=4)


def rules(campaign, **changes):
    for name, value in changes.items():
        setattr(campaign, name, value)
    campaign.save()


def gold(campaign, n=0, right="first", kind="silent", explanation=""):
    return add_gold(
        campaign=campaign,
        messages=[{"role": "user", "content": f"Gold {n}?"}],
        first=f"Surely {n}.",
        second=f"Never {n}.",
        right=right,
        kind=kind,
        explanation=explanation,
        by=None,
    )


def answer(assignment, labeler, preference, now=NOW):
    return record_judgment(
        assignment=assignment,
        labeler=labeler,
        answer=Answer(preference=preference, equal="" if preference else "tie"),
        client_key=uuid.uuid4(),
        seconds=2.0,
        now=now,
    )


class TestGold:
    def test_gold_comes_in_the_place_of_a_pair_and_to_everybody_once(
        self, campaign, alice, bob, fill
    ):
        fill(campaign, 3)
        asked = gold(campaign)
        rules(campaign, gold_share=1.0)
        for labeler in (alice, bob):
            taken = claim_next(labeler=labeler, campaign=campaign, now=NOW)
            assert (taken.comparison, taken.purpose) == (asked.comparison, "gold")
            answer(taken, labeler, -2)
            assert claim_next(labeler=labeler, campaign=campaign, now=NOW).purpose == "data"

    def test_it_comes_about_as_often_as_wanted(self, campaign, alice, fill):
        fill(campaign, 80)
        for n in range(60):
            gold(campaign, n)
        rules(campaign, gold_share=0.3)
        purposes = []
        for _ in range(60):
            taken = claim_next(labeler=alice, campaign=campaign, now=NOW)
            purposes.append(taken.purpose)
            answer(taken, alice, 1)
        assert 6 <= purposes.count("gold") <= 32  # 18 expected; misses once in 100,000 runs

    def test_answers_to_gold_are_no_data(self, campaign, alice, fill, settings, tmp_path):
        settings.ARTIFACTS_URL = f"file://{tmp_path}"
        fill(campaign, 1)
        gold(campaign)
        rules(campaign, gold_share=1.0)
        judge(alice, campaign)
        judge(alice, campaign)
        assert Judgment.objects.filter(purpose="gold").count() == 1
        assert current_judgments(campaign).count() == 1
        assert len(list(preference_rows(campaign))) == 1
        taken = take_snapshot(campaign=campaign, by=None)
        assert taken.train_pairs + taken.test_pairs == 1
        seen = progress(campaign)
        assert (seen.comparisons, seen.wanted, seen.answered, seen.complete) == (1, 1, 1, 1)
        assert agreement(campaign) is None

    def test_the_labeling_page_never_says_that_it_is_gold(self, client, campaign, alice, fill):
        fill(campaign, 1)
        gold(campaign, explanation="Because it is sure.")
        rules(campaign, gold_share=1.0)
        client.force_login(alice)
        address = reverse("labeling:work", args=[campaign.pk])
        page = client.get(address)
        assignment = page.context["assignment"]
        assert assignment.purpose == "gold"
        assert "gold" not in page.content.decode().lower().replace("gold 0?", "")
        told = client.post(
            reverse("labeling:judge", args=[assignment.pk]),
            {"answer": "1", "client_key": str(uuid.uuid4())},
            headers={"Accept": "application/json"},
        )
        assert told.json()["explained"] == ""

    @pytest.mark.parametrize(
        ("right", "preference", "is_right"),
        [
            ("first", -3, True),
            ("first", 1, False),
            ("first", 0, False),
            ("second", 2, True),
            ("equal", 0, True),
            ("equal", -1, False),
        ],
    )
    def test_right_is_the_side_not_the_strength(self, campaign, alice, right, preference, is_right):
        gold(campaign, right=right)
        rules(campaign, gold_share=1.0)
        answer(claim_next(labeler=alice, campaign=campaign, now=NOW), alice, preference)
        share = agreement_with_gold(alice, campaign)
        assert (share.value, share.trials) == (float(is_right), 1)

    def test_a_check_stays_with_its_labeler_and_asks_nobody_else(self, campaign, alice, bob):
        gold(campaign)
        rules(campaign, gold_share=1.0)
        taken = claim_next(labeler=alice, campaign=campaign, now=NOW)
        assert not release(assignment=taken, labeler=alice, now=NOW)
        skip_comparison(
            assignment=taken,
            labeler=alice,
            reason="unclear",
            note="",
            client_key=uuid.uuid4(),
            now=NOW,
        )
        assert claim_next(labeler=alice, campaign=campaign, now=LATER) is None
        bobs = claim_next(labeler=bob, campaign=campaign, now=LATER)
        assert bobs.pk != taken.pk
        assert progress(campaign).stuck == 0

    def test_an_answer_to_gold_taken_back_opens_no_slot(self, campaign, alice):
        gold(campaign)
        rules(campaign, gold_share=1.0)
        judgment = judge(alice, campaign)
        retract_answer(judgment=judgment, labeler=alice, client_key=uuid.uuid4(), now=NOW)
        assert Assignment.objects.count() == 1
        assert agreement_with_gold(alice, campaign) is None

    def test_retired_gold_is_asked_no_more(self, campaign, alice, carol):
        retire_gold(gold=gold(campaign), by=carol, now=NOW)
        rules(campaign, gold_share=1.0)
        assert claim_next(labeler=alice, campaign=campaign, now=NOW) is None

    def test_a_known_answer_is_never_changed(self, campaign):
        gold(campaign)
        with pytest.raises(IntegrityError), transaction.atomic():
            GoldQuestion.objects.update(right="second")

    def test_a_campaign_with_a_share_and_no_gold_is_not_opened(self, campaign):
        change_status(campaign=campaign, to="paused")
        rules(Campaign.objects.get(), gold_share=0.1)
        with pytest.raises(errors.CampaignIncomplete, match="none with an answer"):
            change_status(campaign=campaign, to="open")
        gold(campaign)
        assert change_status(campaign=campaign, to="open").status == "open"


class TestGoldFiles:
    ROW = {"prompt": "Two and two?", "responses": ["Four.", "Five."], "right": "first"}

    def load(self, campaign, *rows):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        return import_gold(campaign=campaign, file=io.BytesIO(lines.encode()), by=None)

    def test_each_line_is_a_question(self, campaign):
        assert self.load(campaign, self.ROW, {**self.ROW, "prompt": "3+1?", "kind": "test"}) == 2
        kinds = GoldQuestion.objects.order_by("id").values_list("kind", "right")
        assert list(kinds) == [("silent", "first"), ("test", "first")]

    @pytest.mark.parametrize(
        ("broken", "field"),
        [
            ({"right": "left"}, '"right"'),
            ({"responses": ["One."]}, '"responses"'),
            ({"kind": "brass"}, '"kind"'),
            ({"explanation": 3}, '"explanation"'),
            ({"explanation": "Since\x00"}, '"explanation"'),
            ({"responses": ["Four.\x00", "Five."]}, "NUL"),
            ({"responses": ["Four.\ud800", "Five."]}, "half a character"),
            ({"prompt": ""}, "empty"),
            ({"responses": ["Same.", "Same."]}, "the same"),
        ],
    )
    def test_the_line_and_the_field_at_fault_are_named_and_nothing_is_added(
        self, campaign, broken, field
    ):
        with pytest.raises(errors.BadRow, match="Line 2") as refusal:
            self.load(campaign, self.ROW, {**self.ROW, "prompt": "Other?", **broken})
        assert field in str(refusal.value)
        assert not GoldQuestion.objects.exists()


class TestRepeats:
    @pytest.fixture
    def repeating(self, campaign, fill):
        fill(campaign, 2)
        rules(campaign, repeat_share=1.0)
        return campaign

    def test_a_pair_comes_back_days_later_with_its_sides_swapped(self, repeating, alice):
        first = judge(alice, repeating, -2, now=NOW)
        judge(alice, repeating, -2, now=NOW)  # too early for a repeat
        again = claim_next(labeler=alice, campaign=repeating, now=LATER)
        assert again.purpose == "repeat"
        assert again.repeats.comparison_id == again.comparison_id
        assert again.first_on_left is not again.repeats.first_on_left
        assert first.assignment.purpose == "data"

    def test_it_is_no_data_and_each_answer_comes_back_once(self, repeating, alice):
        for _ in range(2):
            judge(alice, repeating, now=NOW)
        for _ in range(2):
            judge(alice, repeating, now=LATER)
        assert claim_next(labeler=alice, campaign=repeating, now=LATER) is None
        assert current_judgments(repeating).count() == 2
        assert Judgment.objects.filter(purpose="repeat").count() == 2

    def test_nobody_gets_somebody_elses_pair_back(self, repeating, alice, bob):
        for _ in range(2):
            judge(alice, repeating, now=NOW)
        assert claim_next(labeler=bob, campaign=repeating, now=LATER) is None

    def test_who_chooses_by_the_place_is_found_out(self, campaign, alice, bob, fill):
        fill(campaign, 12)
        for _ in range(6):
            judge(alice, campaign, -1, now=NOW)  # alice reads: the first is better
            taken = claim_next(labeler=bob, campaign=campaign, now=NOW)
            answer(taken, bob, -1 if taken.first_on_left else 1)  # bob always takes the left
        rules(campaign, repeat_share=1.0)
        for _ in range(6):
            judge(alice, campaign, -2, now=LATER)
            taken = claim_next(labeler=bob, campaign=campaign, now=LATER)
            answer(taken, bob, -1 if taken.first_on_left else 1, now=LATER)
        found = self_agreement(campaign)
        assert [share.value for share in found[alice.pk]] == [1.0, 0.0]
        assert [share.value for share in found[bob.pk]] == [0.0, 1.0]

    def test_the_database_knows_what_a_repeat_is(self, repeating, alice, bob):
        judge(alice, repeating, now=NOW)
        mine = Assignment.objects.get(labeler=alice)
        for changes in (
            {"purpose": "data"},
            {"purpose": "repeat", "repeats": None},
        ):
            wrong = {"purpose": "repeat", "repeats": mine, **changes}
            with pytest.raises(IntegrityError), transaction.atomic():
                Assignment.objects.create(
                    comparison=mine.comparison,
                    campaign=repeating,
                    slot=9,
                    first_on_left=True,
                    labeler=alice,
                    leased_until=NOW,
                    **wrong,
                )


class TestTheTest:
    @pytest.fixture
    def tested(self, campaign, fill):
        fill(campaign, 30)
        for n in range(4):
            gold(campaign, n, kind="test", explanation=f"See **{n}**.")
        rules(campaign, pass_share=0.75)
        return campaign

    def take(self, campaign, labeler, right):
        for n in range(4):
            taken = claim_next(labeler=labeler, campaign=campaign, now=NOW)
            assert taken.purpose == "gold"
            answer(taken, labeler, -1 if n < right else 1)

    def test_who_passes_gets_real_work(self, tested, alice):
        self.take(tested, alice, right=3)
        assert claim_next(labeler=alice, campaign=tested, now=NOW).purpose == "data"
        assert Membership.objects.get(user=alice).qualified_at == NOW

    def test_who_fails_gets_none_until_a_manager_lets_them_in(self, client, tested, alice, carol):
        self.take(tested, alice, right=2)
        with pytest.raises(errors.NotQualified):
            claim_next(labeler=alice, campaign=tested, now=NOW)
        client.force_login(carol)
        client.post(reverse("labeling:admit", args=[tested.pk, alice.pk]))
        assert claim_next(labeler=alice, campaign=tested, now=NOW).purpose == "data"
        assert AuditEvent.objects.filter(act="labeler.let_in", actor=carol).exists()

    def test_its_questions_come_one_by_one(self, tested, alice):
        assert len(claim_ahead(labeler=alice, campaign=tested, at_most=9, now=NOW)) == 1

    def test_each_answer_is_explained(self, client, tested, alice):
        client.force_login(alice)
        page = client.get(reverse("labeling:work", args=[tested.pk]))
        assignment = page.context["assignment"]
        towards_first = "-1" if assignment.first_on_left else "1"
        told = client.post(
            reverse("labeling:judge", args=[assignment.pk]),
            {"answer": towards_first, "client_key": str(uuid.uuid4())},
            headers={"Accept": "application/json"},
        ).json()
        side = "left" if assignment.first_on_left else "right"
        assert "That was right." in told["explained"]
        assert f"The {side} response is better." in told["explained"]
        assert "<strong>0</strong>" in told["explained"]

    def test_on_probation_one_works_but_is_no_data_until_gold_agrees(self, tested, alice):
        gold(tested, 8)
        rules(tested, probation_pairs=3, gold_share=0.5)
        self.take(tested, alice, right=4)
        while Hold.objects.filter(lifted_at__isnull=True).exists() or not Hold.objects.exists():
            taken = claim_next(labeler=alice, campaign=tested, now=NOW)
            if Hold.objects.filter(lifted_at__isnull=True).exists():
                assert not current_judgments(tested).exists()
            answer(taken, alice, -1)
        assert current_judgments(tested).exists()
        assert not Hold.objects.filter(kind="quarantine").exists()

    def test_a_probation_against_gold_ends_in_quarantine(self, tested, alice):
        gold(tested, 8)
        rules(tested, probation_pairs=2, gold_share=1.0)
        self.take(tested, alice, right=4)
        for _ in range(2):
            judge(alice, tested, 1)  # the first is known to be better
        with pytest.raises(errors.InQuarantine):
            claim_next(labeler=alice, campaign=tested, now=NOW)
        hold = Hold.objects.get(lifted_at__isnull=True)
        assert (hold.kind, hold.placed_by) == ("quarantine", None)


class TestQuarantine:
    def test_judgments_leave_the_data_and_come_back(
        self, campaign, alice, bob, carol, fill, settings, tmp_path
    ):
        settings.ARTIFACTS_URL = f"file://{tmp_path}"
        fill(campaign, 4)
        for labeler in (alice, alice, bob):
            judge(labeler, campaign)

        def counts():
            taken = take_snapshot(campaign=campaign, by=None)
            return (
                current_judgments(campaign).count(),
                len(list(preference_rows(campaign))),
                taken.train_pairs + taken.test_pairs,
            )

        assert counts() == (3, 3, 3)
        hold = place_hold(
            campaign=campaign,
            labeler=alice,
            kind="quarantine",
            reason="Too fast.",
            by=carol,
            now=NOW,
        )
        assert counts() == (1, 1, 1)
        assert Judgment.objects.count() == 3
        with pytest.raises(errors.InQuarantine):
            claim_next(labeler=alice, campaign=campaign, now=NOW)
        with pytest.raises(errors.AlreadyHeld):
            place_hold(
                campaign=campaign,
                labeler=alice,
                kind="quarantine",
                reason="Again.",
                by=carol,
                now=NOW,
            )
        lift_hold(hold=hold, by=carol, now=NOW)
        lift_hold(hold=hold, by=carol, now=NOW)
        assert counts() == (3, 3, 3)
        assert claim_next(labeler=alice, campaign=campaign, now=NOW)
        acts = AuditEvent.objects.filter(act__startswith="labeler.").order_by("id")
        assert [event.act for event in acts] == ["labeler.held", "labeler.released"]

    def test_another_campaign_is_not_touched(self, campaign, alice, carol, fill):
        other = Campaign.objects.create(name="Other", status="open")
        fill(other)
        place_hold(
            campaign=campaign, labeler=alice, kind="quarantine", reason="x", by=carol, now=NOW
        )
        judge(alice, other)
        assert current_judgments(other).count() == 1


class TestPages:
    def test_the_manager_adds_gold_holds_back_and_lifts(self, client, campaign, alice, carol, fill):
        fill(campaign, 2)
        judge(alice, campaign)
        client.force_login(carol)
        page = reverse("labeling:quality", args=[campaign.pk])
        sent = {
            "prompt": "Two and two?",
            "first": "Four.",
            "second": "Five.",
            "right": "first",
            "kind": "silent",
        }
        add = reverse("labeling:gold", args=[campaign.pk])
        assert client.post(add, sent).url == page
        refused = client.post(add, {**sent, "first": "Five.", "prompt": "Another?"})
        assert refused.status_code == 422
        assert "The two responses are the same" in refused.content.decode()
        hold = reverse("labeling:hold", args=[campaign.pk, alice.pk])
        client.post(hold, {"reason": ""})
        assert not Hold.objects.exists()
        client.post(hold, {"reason": "Too fast."})
        assert "Too fast." in client.get(page).content.decode()
        client.post(reverse("labeling:lift", args=[campaign.pk, Hold.objects.get().pk]))
        assert Hold.objects.get().lifted_by == carol
        client.post(
            reverse("labeling:gold_retire", args=[campaign.pk, GoldQuestion.objects.get().pk])
        )
        assert GoldQuestion.objects.get().retired_at

    def test_a_file_says_what_is_wrong_with_it(self, client, campaign, carol):
        client.force_login(carol)
        file = io.BytesIO(b'{"prompt": "Why?"}\n')
        file.name = "gold.jsonl"
        answer = client.post(reverse("labeling:gold_file", args=[campaign.pk]), {"file": file})
        assert answer.status_code == 422
        assert "Line 1" in answer.content.decode()

    def test_labelers_see_their_agreement_only_where_the_campaign_allows_it(
        self, client, campaign, alice, fill
    ):
        gold(campaign)
        rules(campaign, gold_share=1.0)
        judge(alice, campaign, -1)
        client.force_login(alice)
        history = reverse("labeling:history")
        words = "Agreement with questions whose answer is known"
        assert words not in client.get(history).content.decode()
        rules(campaign, show_gold=True)
        assert words in client.get(history).content.decode()

    def test_each_labeler_has_a_row(self, campaign, alice, bob, fill):
        fill(campaign, 3)
        gold(campaign, kind="attention")
        judge(alice, campaign)
        rules(campaign, gold_share=1.0)
        judge(alice, campaign, 1)
        rows = {row.labeler: row for row in labelers_quality(campaign)}
        assert rows[alice].answers == 1
        assert rows[alice].attention.value == 0.0
        assert rows[bob].answers == 0

    @pytest.mark.parametrize("name", ["quality", "gold", "gold_file", "hold", "admit", "lift"])
    def test_nobody_else_may(self, client, campaign, alice, name):
        client.force_login(alice)
        more = [alice.pk] if name in ("hold", "admit", "lift") else []
        address = reverse(f"labeling:{name}", args=[campaign.pk, *more])
        answer = client.get(address) if name == "quality" else client.post(address)
        assert answer.status_code == 404
