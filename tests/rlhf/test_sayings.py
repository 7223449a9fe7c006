"""What the gate, workers and clients of servers say is recognised, whoever said it."""

import httpx
import pytest
from django.urls import reverse
from django.utils import translation

from labeling.sayings import said
from rewardmodel.sayings import KILLED
from rlhf.generation.persistence import ServerDown, answered
from rlhf.generation.protocol import Sampling
from rlhf.generation.server import PolicyNotServed, VllmServers
from rlhf.models import Promotion, Round
from rlhf.sayings import BY_THE_GATE, UNCHECKED
from rlhf.services import rounds
from rlhf.services.policies import register_base
from tests.cast import trained
from tests.rlhf.scripted_server import scripted_server

NOWHERE = "http://127.0.0.1:9/v1"


def complaint(urls, policy="parrot-v0"):
    with pytest.raises((ServerDown, PolicyNotServed)) as problem:
        VllmServers(urls, attempts=1).generate(
            policy, [[{"role": "user", "content": "Why?"}]], [Sampling(max_tokens=4)]
        )
    return str(problem.value)


def in_german(text):
    with translation.override("de"):
        return said(text)


def test_servers_that_do_not_answer_are_each_named():
    heard = in_german(complaint([NOWHERE, NOWHERE]))
    one = f"Der vLLM-Server unter {NOWHERE}/models antwortet nicht (ConnectError)."
    assert heard == f"{one} {one}"


def test_a_policy_that_no_server_offers():
    with scripted_server(["owl-v0"], lambda body: "x") as url:
        heard = in_german(complaint([url]))
    assert heard == "Kein vLLM-Server bietet die Policy 'parrot-v0' an; angeboten wird owl-v0."


def test_a_server_that_stays_away():
    with pytest.raises(ServerDown) as problem:
        answered(lambda attempt: httpx.get(NOWHERE), [0.0])
    assert in_german(str(problem.value)).endswith(
        "antwortete nicht (ConnectError), nach 2 Versuchen."
    )


def test_a_page_says_in_its_readers_language_why_a_round_ended(campaign, client, erin):
    base = register_base(name="parrot", checkpoint="/models/parrot")
    erin.language = "de"
    erin.save(update_fields=["language"])
    round = rounds.begin_round(campaign=campaign)
    told = KILLED(signal="SIGKILL", times=4)
    judge = trained(campaign, base, status="failed", error=told)
    reason = f"{BY_THE_GATE(share='40%', low='20%', high='60%')} {UNCHECKED()}"
    Round.objects.filter(pk=round.pk).update(
        snapshot=judge.snapshot,
        reward_model=judge,
        decision="rolled_back",
        reason=reason,
        decided_at=round.created_at,
    )
    client.force_login(erin)
    page = client.get(reverse("rlhf:round", args=[round.pk])).text
    assert "Durch die Prüfschwelle: Gewinnrate 40% (95-%-Intervall 20% bis 60%)." in page
    assert "Kein anderes Belohnungsmodell hat den Lauf geprüft." in page
    assert "4 Mal abgebrochen (SIGKILL)" in page
    assert (
        "Die erste Version ihrer Linie." in client.get(reverse("rlhf:policy", args=[base.pk])).text
    )
    assert Promotion.objects.get().reason == "The first version of its line."
