"""Campaigns that want to know why, from a step of their scale on."""

import random
import uuid

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.forms import CampaignForm
from labeling.models import Campaign, Judgment, Membership
from labeling.services.assignments import claim_next
from labeling.services.campaigns import add_members
from labeling.services.corrections import change_answer
from labeling.services.judgments import Answer, record_judgment
from labeling.simulation import SimulatedLabeler, Taste
from tests.cast import PASSWORD

NOW = timezone.now()


@pytest.fixture
def asking(campaign, fill):
    """A campaign that wants a reason from its second step of three on."""
    campaign.rationale_from = 2
    campaign.save()
    fill(campaign, 6)
    return campaign


def answer(labeler, campaign, preference, rationale="", equal=""):
    return record_judgment(
        assignment=claim_next(labeler=labeler, campaign=campaign, now=NOW),
        labeler=labeler,
        answer=Answer(preference=preference, rationale=rationale, equal=equal),
        client_key=uuid.uuid4(),
        seconds=1.0,
        now=NOW,
    )


@pytest.mark.parametrize("preference", [-3, -2, 2, 3])
def test_a_strong_preference_needs_a_reason_on_either_side(alice, asking, preference):
    for nothing in ("", "  \n "):
        with pytest.raises(errors.ReasonMissing):
            answer(alice, asking, preference, nothing)
    assert answer(alice, asking, preference, "It names the source.")


def test_weaker_preferences_and_equal_answers_need_none(alice, asking):
    assert answer(alice, asking, -1)
    assert answer(alice, asking, 1)
    assert answer(alice, asking, 0, equal="tie")


def test_without_the_rule_no_preference_needs_a_reason(alice, campaign, fill):
    fill(campaign)
    assert answer(alice, campaign, 3)


def test_a_change_to_a_strong_preference_needs_a_reason_too(alice, asking):
    given = answer(alice, asking, 1)
    change = {"judgment": given, "labeler": alice, "seconds": 1.0, "now": NOW}
    with pytest.raises(errors.ReasonMissing):
        change_answer(answer=Answer(preference=3), client_key=uuid.uuid4(), **change)
    changed = Answer(preference=3, rationale="On second thoughts.")
    assert change_answer(answer=changed, client_key=uuid.uuid4(), **change)


@pytest.mark.parametrize(("strength", "rationale_from"), [(1, 2), (3, 4), (4, 0)])
def test_reasons_can_not_be_required_from_a_step_the_scale_has_not(
    campaign, strength, rationale_from
):
    with (
        pytest.raises(IntegrityError, match="campaign_asks_reasons_from_a_step_of_its_scale"),
        transaction.atomic(),
    ):
        Campaign.objects.update(strength=strength, rationale_from=rationale_from)


def test_the_form_says_that_the_scale_has_no_such_step(campaign):
    data = {"name": "X", "overlap": 1, "lease_minutes": 5, "strength": 2, "rationale_from": 3}
    form = CampaignForm(data, instance=campaign)
    assert not form.is_valid()
    assert "The scale has fewer steps" in str(form.non_field_errors())
    assert CampaignForm({**data, "rationale_from": 2}, instance=campaign).is_valid()


def test_the_page_without_scripts_gives_the_answer_back_and_says_what_it_lacks(
    client, alice, asking
):
    held = claim_next(labeler=alice, campaign=asking, now=NOW)
    client.force_login(alice)
    sent = {"answer": "3", "client_key": str(uuid.uuid4())}
    response = client.post(reverse("labeling:judge", args=[held.pk]), sent)
    page = " ".join(response.content.decode().split())
    assert response.status_code == 422
    assert "A preference this strong needs a reason here" in page
    assert '<details class="more" open>' in page
    assert response.context["form"]["answer"].value() == "3"


@pytest.mark.django_db(transaction=True)
def test_simulated_labelers_give_a_reason_where_one_is_required(live_server, simon, asking):
    asking.rationale_from = 1
    asking.save()
    add_members(campaign=asking, users=[simon], role=Membership.Role.LABELER)
    labeler = SimulatedLabeler(
        live_server.url, "simon", PASSWORD, Taste(noise=0.5), random.Random(3)
    )
    assert labeler.label(asking.pk) == 6
    preferences = Judgment.objects.filter(equal="")
    assert preferences
    assert all(judgment.rationale.startswith("Simulated") for judgment in preferences)
    assert not Judgment.objects.exclude(equal="").exclude(rationale="").exists()
