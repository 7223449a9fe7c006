"""The review queue: what comes into it, what a reviewer decides, and what becomes of that."""

import json
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.urls import reverse
from django.utils import timezone

from labeling import artifacts, errors
from labeling.models import (
    Assignment,
    AuditEvent,
    Campaign,
    Judgment,
    Membership,
    ReviewItem,
    Skip,
    Tally,
)
from labeling.selectors.agreement import agreement_figures
from labeling.selectors.judgments import current_judgments
from labeling.selectors.reviews import decisions, waiting, worth_a_review
from labeling.services.assignments import claim_next
from labeling.services.campaigns import add_members
from labeling.services.corrections import change_answer, retract_answer
from labeling.services.judgments import Answer, record_judgment
from labeling.services.reports import request_report
from labeling.services.reviews import decide, dismiss, fill_queue, note_surprises
from labeling.services.snapshots import take_snapshot
from labeling.tasks import compute_report
from rewardmodel.learning.labels import relabelled
from rewardmodel.learning.pairs import read_pairs
from tests.cast import group, judge, person, rank

NOW = timezone.now()


@pytest.fixture
def rita(campaign):
    """She reviews what the others judge."""
    made = person("rita")
    add_members(campaign=campaign, users=[made], role=Membership.Role.REVIEWER)
    return made


@pytest.fixture
def judged(campaign, fill, alice, bob):
    """Five pairs that both judged: two they differ on, one neither prefers, one is flagged."""
    Campaign.objects.filter(pk=campaign.pk).update(overlap=2)
    campaign.refresh_from_db()
    fill(campaign, 5)
    for one, other in [(-1, -2), (-1, 1), (2, -2), (0, 0), (1, 1)]:
        judge(alice, campaign, one, equal="" if one else "tie")
        judge(bob, campaign, other, equal="" if other else "tie")
    return campaign


def pairs(campaign):
    return list(campaign.comparisons.order_by("id").values_list("pk", flat=True))


@pytest.fixture
def differing(ranked, policy, alice, bob):
    """Three groups that both put in order: the other way round, one exchange apart, the same."""
    Campaign.objects.filter(pk=ranked.pk).update(overlap=2)
    ranked.refresh_from_db()
    for n in range(3):
        group(ranked, policy, f"Which {n}?", [f"A{n}.", f"B{n}.", f"C{n}."])
    for other in ([3, 2, 1], [1, 3, 2], [1, 2, 3]):
        rank(alice, ranked, [1, 2, 3])
        rank(bob, ranked, other)
    return ranked


def leading(campaign, place):
    """The comparison that a group's slots are of."""
    return campaign.comparisons.filter(assignments__slot=0).order_by("id")[place]


def reasons(campaign, reason):
    found = ReviewItem.objects.filter(campaign=campaign, reason=reason, closed_at__isnull=True)
    return set(found.values_list("comparison", flat=True))


def decided(item, reviewer, preference=-2, equal="", key=None):
    return decide(
        item=item, reviewer=reviewer, answer=Answer(preference=preference, equal=equal),
        client_key=key or uuid.uuid4(), seconds=5.0, now=NOW,
    )  # fmt: skip


def labels(campaign, **more):
    with artifacts.open_artifact(
        take_snapshot(campaign=campaign, by=None, **more).artifact_url
    ) as file:
        return {row["id"]: row for row in map(json.loads, file)}


class TestWhatComesIn:
    def test_pairs_on_which_labelers_differ(self, judged):
        fill_queue(judged, "person")
        assert reasons(judged, "disagreement") == set(pairs(judged)[1:3])

    def test_a_consensus_that_nobody_would_bet_on(self, judged, monkeypatch):
        monkeypatch.setattr("labeling.selectors.reviews.UNSURE", 0.999)
        found = dict(worth_a_review(judged, "person"))["unsure"]
        # All that was judged twice without a disagreement; how unsure comes first.
        assert {pk for pk, _ in found} == {pairs(judged)[n] for n in (0, 3, 4)}
        assert [weight for _, weight in found] == sorted((w for _, w in found), reverse=True)

    def test_pairs_that_two_passed_on_or_one_could_not_read(self, campaign, fill, alice, bob):
        fill(campaign, 3)
        many, broken, once = campaign.comparisons.order_by("id")
        for comparison, labeler, reason in [
            (many, alice, "unclear"), (many, bob, "other"),
            (broken, alice, "broken"), (once, bob, "unclear"),
        ]:  # fmt: skip
            Skip.objects.create(
                assignment=comparison.assignments.first(), comparison=comparison,
                labeler=labeler, reason=reason, client_key=uuid.uuid4(),
            )  # fmt: skip
        fill_queue(campaign, "person")
        assert reasons(campaign, "skipped") == {many.pk, broken.pk}

    def test_flagged_pairs(self, campaign, fill, alice):
        [slot] = fill(campaign, 1)
        claim_next(labeler=alice, campaign=campaign, now=NOW)
        slot.refresh_from_db()
        record_judgment(
            assignment=slot, labeler=alice, answer=Answer(preference=1, flags=["unsafe"]),
            client_key=uuid.uuid4(), seconds=1.0, now=NOW,
        )  # fmt: skip
        fill_queue(campaign, "person")
        assert reasons(campaign, "flagged") == {slot.comparison_id}

    def test_surprises_of_the_newest_model_take_the_place_of_those_before(self, judged):
        first, second, *_ = pairs(judged)
        note_surprises(judged, [(first, 1.5, {"reward_model": 1})])
        note_surprises(judged, [(second, 0.5, {"reward_model": 2}), (10**9, 9.0, {})])
        [item] = ReviewItem.objects.filter(reason="surprise")
        assert (item.comparison_id, item.details) == (second, {"reward_model": 2})

    def test_what_is_settled_meanwhile_leaves_again(self, judged, bob):
        fill_queue(judged, "person")
        differing = Judgment.objects.filter(labeler=bob, comparison=pairs(judged)[1]).get()
        retract_answer(judgment=differing, labeler=bob, client_key=uuid.uuid4(), now=NOW)
        fill_queue(judged, "person")
        assert reasons(judged, "disagreement") == {pairs(judged)[2]}

    def test_searching_twice_puts_nothing_in_twice(self, judged):
        assert fill_queue(judged, "person") == fill_queue(judged, "person")

    def test_a_group_comes_once_and_the_more_its_orders_differ_the_earlier(self, differing):
        fill_queue(differing, "person")
        waits = ReviewItem.objects.filter(reason="disagreement").order_by("-weight")
        assert [(item.comparison, item.weight) for item in waits] == [
            (leading(differing, 0), 0.5), (leading(differing, 1), pytest.approx(1 / 6)),
        ]  # fmt: skip
        assert not ReviewItem.objects.exclude(reason="disagreement").exists()

    def test_groups_that_were_passed_on_or_flagged(self, differing, alice, rita):
        slot = leading(differing, 2).assignments.first()
        Skip.objects.create(
            assignment=slot, comparison=slot.comparison, labeler=rita, reason="broken",
            client_key=uuid.uuid4(),
        )  # fmt: skip
        mine = Judgment.objects.get(comparison=leading(differing, 1), labeler=alice)
        change_answer(
            judgment=mine, labeler=alice, answer=Answer.from_ranks([1, 2, 3], flags=["unsafe"]),
            client_key=uuid.uuid4(), seconds=1.0, now=NOW,
        )  # fmt: skip
        fill_queue(differing, "person")
        assert reasons(differing, "skipped") == {leading(differing, 2).pk}
        assert reasons(differing, "flagged") == {leading(differing, 1).pk}

    def test_simulated_answers_are_never_mixed_with_those_of_people(self, judged):
        assert sum(fill_queue(judged, "simulation").values()) == 0

    def test_an_item_is_in_the_campaign_of_its_pair(self, judged):
        other = Campaign.objects.create(name="Other")
        ReviewItem.objects.create(
            campaign=other, comparison_id=pairs(judged)[0], reason="flagged", weight=1
        )
        with pytest.raises(IntegrityError, match="in_its_comparisons_campaign"):
            connection.check_constraints()


class TestDecisions:
    def item(self, judged, place=1):
        fill_queue(judged, "person")
        return ReviewItem.objects.get(comparison=pairs(judged)[place], reason="disagreement")

    def test_a_decision_is_a_judgment_of_its_own_kind_and_no_vote(self, judged, rita):
        before = agreement_figures(judged, "person")
        votes = current_judgments(judged).count()
        judgment = decided(self.item(judged), rita)
        assert (judgment.purpose, judgment.labeler, judgment.preference) == ("review", rita, -2)
        assert list(decisions(judged)) == [judgment]
        assert current_judgments(judged).count() == votes
        assert agreement_figures(judged, "person") == before
        assert Tally.objects.get(labeler=rita).answers == 0

    def test_it_is_the_label_of_its_pair_whatever_the_votes(self, judged, rita):
        item = self.item(judged)
        assert labels(judged)[item.comparison_id]["preference"] == 0.5
        decided(item, rita, preference=-2)
        for method in ("shares", "skill"):
            row = labels(judged, method=method)[item.comparison_id]
            assert (row["preference"], row["tie"]) == (1.0, 0.0)
            assert row["votes_before_review"] == [1, 0, 1]
            pairs = read_pairs([(1, row)])
            for labels_wanted in ("shares", "majority"):
                assert relabelled(pairs, labels_wanted)[0].preference == 1.0
            assert row["chosen"].startswith("Answer one")
            assert row["method"] == "review"

    def test_a_pair_that_nobody_answered_gets_its_label_from_the_review(self, campaign, fill, rita):
        [slot] = fill(campaign, 1)
        item = ReviewItem.objects.create(
            campaign=campaign, comparison=slot.comparison, reason="skipped", weight=2
        )
        decided(item, rita, preference=0, equal="both_bad")
        [row] = labels(campaign).values()
        assert (row["preference"], row["tie"], row["votes"]) == (0.5, 1.0, [0, 0, 0])

    def test_taken_back_it_is_the_label_no_more(self, judged, rita):
        item = self.item(judged)
        judgment = decided(item, rita)
        retract_answer(judgment=judgment, labeler=rita, client_key=uuid.uuid4(), now=NOW)
        assert labels(judged)[item.comparison_id]["preference"] == 0.5
        open_slots = Assignment.objects.filter(comparison=item.comparison_id, answered_at=None)
        assert not open_slots.exists()

    def test_it_closes_all_items_of_the_pair_for_good(self, judged, rita):
        item = self.item(judged)
        note_surprises(judged, [(item.comparison_id, 2.0, {"reward_model": 1})])
        decided(item, rita)
        assert not ReviewItem.objects.filter(
            comparison=item.comparison_id, closed_at__isnull=True
        ).exists()
        fill_queue(judged, "person")
        note_surprises(judged, [(item.comparison_id, 2.0, {"reward_model": 2})])
        assert item.comparison_id not in reasons(judged, "disagreement")
        assert item.comparison_id not in reasons(judged, "surprise")

    def test_the_same_key_stores_nothing_twice(self, judged, rita):
        item, key = self.item(judged), uuid.uuid4()
        assert decided(item, rita, key=key) == decided(item, rita, key=key)
        with pytest.raises(errors.KeyReused):
            decided(item, rita, preference=2, key=key)

    def test_of_two_reviewers_the_first_decides(self, judged, rita, carol):
        item = self.item(judged)
        decided(item, rita)
        with pytest.raises(errors.AlreadyReviewed):
            decided(item, carol)

    def test_nobody_reviews_a_pair_of_their_own(self, judged, alice, rita):
        item = self.item(judged)
        assert item in waiting(judged, rita)
        assert item not in waiting(judged, alice)
        with pytest.raises(errors.OwnPair):
            decided(item, alice)

    def test_what_is_dismissed_does_not_come_back_and_is_in_the_audit_log(self, judged, rita):
        item = self.item(judged)
        dismiss(item=item, by=rita, now=NOW)
        fill_queue(judged, "person")
        assert item.comparison_id not in reasons(judged, "disagreement")
        assert AuditEvent.objects.first().act == "review.dismissed"
        with pytest.raises(errors.AlreadyReviewed):
            dismiss(item=item, by=rita, now=NOW)

    def test_an_open_review_never_becomes_a_reviewers_next_pair_to_label(self, judged, rita):
        decided(self.item(judged), rita)
        assert claim_next(labeler=rita, campaign=judged, now=NOW + timedelta(days=1)) is None


class TestDecisionsOnGroups:
    def item(self, differing):
        fill_queue(differing, "person")
        return ReviewItem.objects.get(comparison=leading(differing, 0), reason="disagreement")

    def decided(self, item, reviewer, ranks):
        return decide(
            item=item, reviewer=reviewer, answer=Answer.from_ranks(ranks),
            client_key=uuid.uuid4(), seconds=5.0, now=NOW,
        )  # fmt: skip

    def test_an_order_is_the_label_of_each_pair_and_no_vote(self, differing, rita):
        before = agreement_figures(differing, "person")
        votes = current_judgments(differing).count()
        judgment = self.decided(self.item(differing), rita, [2, 1, 3])
        assert (judgment.purpose, judgment.ranking.ranks) == ("review", [2, 1, 3])
        assert decisions(differing).count() == 3
        assert set(judgment.parts.values_list("purpose", flat=True)) == {"review"}
        assert current_judgments(differing).count() == votes
        assert agreement_figures(differing, "person") == before
        rows = labels(differing)
        one_two, one_three, two_three = judgment.comparison.group.comparisons.order_by("id")
        for pair, wins in [(one_two, "B0."), (one_three, "A0."), (two_three, "B0.")]:
            row = rows[pair.pk]
            assert (row["chosen"], row["preference"], row["method"]) == (wins, 1.0, "review")
        assert rows[leading(differing, 2).pk].get("method") is None

    def test_taken_back_it_labels_no_pair_any_more(self, differing, rita):
        judgment = self.decided(self.item(differing), rita, [1, 2, 3])
        retract_answer(judgment=judgment, labeler=rita, client_key=uuid.uuid4(), now=NOW)
        assert not decisions(differing).exists()
        assert all(row.get("method") is None for row in labels(differing).values())

    def test_an_order_of_other_responses_is_refused(self, differing, rita):
        with pytest.raises(errors.AnswerNotOffered):
            self.decided(self.item(differing), rita, [1, 2])
        with pytest.raises(errors.AnswerNotOffered):
            decided(self.item(differing), rita)

    def test_what_follows_from_an_answer_has_its_purpose(self, differing, alice):
        whole = Judgment.objects.filter(ranking__isnull=False, labeler=alice).first()
        Judgment.objects.create(
            comparison=leading(differing, 2), part_of=whole, labeler=alice, judge_kind="person",
            purpose="review", preference=1, client_key=uuid.uuid4(),
        )  # fmt: skip
        with pytest.raises(IntegrityError, match="part_has_the_purpose_of_its_answer"):
            connection.check_constraints()

    def test_a_reviewer_puts_them_in_order_and_then_sees_the_others_orders(
        self, differing, rita, client
    ):
        item = self.item(differing)
        client.force_login(rita)
        here = reverse("labeling:review", args=[item.pk])
        page = client.get(here)
        assert "Responses to put in order" in page.text
        for told in ("parrot", "Person", " &gt; "):
            assert told not in page.text
        key = page.context["form"]["client_key"].value()
        assert client.post(here, {"place-0": "1", "client_key": key}).status_code == 422
        sent = {"place-0": "2", "place-1": "1", "place-2": "3", "client_key": key}
        after = client.post(here, sent, follow=True)
        assert "B &gt; A &gt; C" in after.text  # as it stood on the screen
        assert after.text.count(" &gt; ") == 6
        shown = page.context["assignment"].shown
        assert [response for _, response in after.context["lettered"]] == shown
        judgment = decisions(differing).get(part_of=None)
        best = judgment.comparison.group.candidates.get(place=judgment.ranking.ranks.index(1))
        assert best.response == shown[1]


class TestThePages:
    def page(self, campaign, name="reviews"):
        return reverse(f"labeling:{name}", args=[campaign.pk])

    def test_a_reviewer_searches_decides_and_only_then_sees_what_was_said(
        self, judged, rita, client
    ):
        client.force_login(rita)
        assert "Nothing waits for you" in client.get(self.page(judged)).text
        client.post(self.page(judged, "reviews_search"))
        assert "HX-Refresh" not in client.get(self.page(judged, "reviews_state")).headers
        compute_report(judged.reports.get().pk)
        assert client.get(self.page(judged, "reviews_state")).headers["HX-Refresh"] == "true"
        item = ReviewItem.objects.filter(reason="disagreement").first()
        note_surprises(
            judged, [(item.comparison_id, 1.25, {"reward_model": 7, "prefers_first": True})]
        )
        here = reverse("labeling:review", args=[item.pk])
        before = client.get(here)
        assert "Answer one to" in before.text
        for told in ("reward model", "strength", "Person", "parrot"):
            assert told not in before.text
        key = before.context["form"]["client_key"].value()
        after = client.post(here, {"answer": "-2", "client_key": key}, follow=True).text
        assert "reward model 7" in after
        assert "its score is 1.25 higher" in after
        assert "you, in review" in after
        assert after.count("is better, strength") == 3
        assert "alice" not in after
        assert "bob" not in after

    def test_sides_are_translated_as_everywhere(self, judged, rita, client):
        fill_queue(judged, "person")
        client.force_login(rita)
        for item in waiting(judged, rita):
            here = reverse("labeling:review", args=[item.pk])
            page = client.get(here)
            left = page.context["assignment"].left
            key = page.context["form"]["client_key"].value()
            client.post(here, {"answer": "-1", "client_key": key})
            judgment = decisions(judged).latest("id")
            first_wins = judgment.preference < 0
            chosen = judgment.comparison.first if first_wins else judgment.comparison.second
            assert chosen == left

    def test_an_answer_that_is_not_offered_is_given_back_with_why(self, judged, rita, client):
        fill_queue(judged, "person")
        client.force_login(rita)
        here = reverse("labeling:review", args=[waiting(judged, rita).first().pk])
        reply = client.post(here, {"answer": "both_good", "client_key": uuid.uuid4()})
        assert reply.status_code == 422
        assert 'role="alert"' in reply.text
        assert client.post(here, {"client_key": uuid.uuid4()}).status_code == 422
        assert not decisions(judged).exists()

    def test_a_reviewer_dismisses_and_comes_to_the_next(self, judged, rita, client):
        fill_queue(judged, "person")
        client.force_login(rita)
        one, other = waiting(judged, rita, "disagreement")
        reply = client.post(
            f"{reverse('labeling:review_dismiss', args=[one.pk])}?reason=disagreement"
        )
        assert reply["Location"].startswith(reverse("labeling:review", args=[other.pk]))

    def test_the_start_page_says_how_many_wait(self, judged, rita, client):
        fill_queue(judged, "person")
        client.force_login(rita)
        count = waiting(judged, rita).count()
        assert count >= 2
        assert f"{count} pairs wait for a review" in client.get(reverse("labeling:home")).text

    def test_labelers_do_not_see_the_queue(self, judged, alice, client):
        fill_queue(judged, "person")
        client.force_login(alice)
        assert client.get(self.page(judged)).status_code == 404
        item = ReviewItem.objects.first()
        assert client.get(reverse("labeling:review", args=[item.pk])).status_code == 404

    def test_the_search_is_renewed_with_the_reports(self, judged):
        report = request_report(campaign=judged, subject="review", judges="person", by=None)
        compute_report(report.pk)
        report.refresh_from_db()
        assert report.figures["disagreement"] == 2
