"""What the server says by itself is stored in English and read in the reader's language."""

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from labeling import errors
from labeling.models import Hold
from labeling.outbound import NotReachable, check_address
from labeling.sayings import FIRST_PAIRS, ON_PROBATION, said
from labeling.services.holds import place_hold
from labeling.services.webhooks import add_webhook


def test_a_saying_is_english_where_it_is_stored_and_translated_where_it_is_read():
    with translation.override("de"):
        stored = FIRST_PAIRS(pairs=20)
        assert stored == "The first 20 pairs after the test."
        assert said(stored) == "Die ersten 20 Paare nach dem Test."
    assert said(stored) == stored


def test_several_sayings_in_a_row_are_each_recognised():
    stored = f"{FIRST_PAIRS(pairs=5)} {ON_PROBATION(share='80%', answers=5)}"
    with translation.override("fr"):
        assert said(stored) == (
            "Les 5 premières paires après le test. Pendant la période d’essai, en accord avec les "
            "questions témoins dans 80% de 5 réponses."
        )


@pytest.mark.parametrize("own", ["Clicks without reading.", "The first of many.", "", "50 % <b>"])
def test_a_persons_own_words_stay_as_they_are(own):
    with translation.override("de"):
        assert said(own) == own
        assert said(f"{FIRST_PAIRS(pairs=5)} {own}".strip()).endswith(f" {own}".rstrip())


def test_what_fills_a_place_keeps_to_one_line():
    assert FIRST_PAIRS(pairs="1\n 2") == "The first 1 2 pairs after the test."


def test_a_refusal_of_an_address_is_a_saying():
    with pytest.raises(NotReachable) as refused:
        check_address("ftp://example.org")
    with translation.override("es"):
        assert said(str(refused.value)).startswith("debe empezar por https://")


def test_whoever_adds_a_webhook_reads_why_it_is_refused(campaign, carol):
    with translation.override("de"), pytest.raises(errors.AddressRefused) as refused:
        add_webhook(campaign=campaign, url="http://127.0.0.1/hook", kinds=["alarm"], by=carol)
    assert "127.0.0.1 liegt in einem privaten Netz" in str(refused.value)


def test_a_hold_gives_its_reason_in_the_managers_language(client, campaign, alice, bob, carol):
    now, kind = timezone.now(), Hold.Kind.QUARANTINE
    told = ON_PROBATION(share="20%", answers=5)
    place_hold(campaign=campaign, labeler=alice, kind=kind, reason=told, by=None, now=now)
    place_hold(campaign=campaign, labeler=bob, kind=kind, reason="Wie alt?", by=carol, now=now)
    carol.language = "de"
    carol.save(update_fields=["language"])
    client.force_login(carol)
    page = client.get(reverse("labeling:quality", args=[campaign.pk])).text
    assert "Stimmte auf Probe in 20% von 5 Antworten" in page
    assert "Wie alt?" in page
