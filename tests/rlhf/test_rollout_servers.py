"""Who answers while a policy learns: chosen in the round's form, told on the run's page."""

import pytest
from django.urls import reverse

from labeling.models import CampaignPolicy
from rlhf.learning.inputs import Start
from rlhf.models import PolicyRun, Round
from rlhf.services import rounds
from rlhf.services.policies import register_base
from tests.cast import ask, trained
from tests.rlhf.scripted_server import scripted_server


@pytest.fixture
def start(client, erin, campaign):
    """Posts the form that starts PPO; the page that follows, and the run if there is one."""
    base = register_base(name="parrot", checkpoint="/models/parrot")
    CampaignPolicy.objects.create(campaign=campaign, policy=base)
    campaign.prompts.add(*(ask(f"Question {n}?") for n in range(120)))
    judge = trained(campaign, base)
    round = rounds.begin_round(campaign=campaign)
    Round.objects.filter(pk=round.pk).update(snapshot=judge.snapshot, reward_model=judge)
    client.force_login(erin)

    def make(**chosen):
        page = client.post(reverse("rlhf:round_improve", args=[round.pk]), chosen, follow=True)
        return page.text, PolicyRun.objects.filter(rounds=round).first()

    return make


@pytest.fixture
def server():
    with scripted_server(["parrot-v0"], lambda body: 500) as url:
        yield url


def test_a_run_is_answered_by_the_servers_that_are_configured(start, server, settings):
    settings.ROLLOUT_BASE_URLS = [server]
    _page, run = start(generator="server")
    assert run.config == {"generator": "server", "server": server}
    assert Start("policy", "reward", **run.config).servers == [server]


def test_some_of_the_servers_may_be_named(start, server, settings):
    settings.ROLLOUT_BASE_URLS = ["http://127.0.0.1:9/v1", server]
    _page, run = start(generator="server", server=f" {server}/ , {server}")
    assert run.config["server"] == server


@pytest.mark.parametrize(
    ("configured", "chosen", "sentence"),
    [
        ([], {"generator": "server"}, "No server is configured to answer for a run"),
        (
            ["http://127.0.0.1:9/v1"],
            {"generator": "server", "server": "http://example.org/v1"},
            "http://example.org/v1 is none of the servers in ROLLOUT_BASE_URL",
        ),
        (
            ["http://127.0.0.1:9/v1"],
            {"generator": "server"},
            "The vLLM server at http://127.0.0.1:9/v1 does not answer",
        ),
        (
            ["http://127.0.0.1:9/v1"],
            {"generator": "server", "mode": "fast"},
            "Servers take small matrices only",
        ),
        (
            ["http://127.0.0.1:9/v1"],
            {"server": "http://127.0.0.1:9/v1"},
            "Let servers answer, or leave their addresses empty",
        ),
    ],
)
def test_what_can_not_answer_is_refused_in_one_sentence(
    start, settings, configured, chosen, sentence
):
    settings.ROLLOUT_BASE_URLS = configured
    page, run = start(**chosen)
    assert sentence in page
    assert run is None


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "vLLM, in the process that trains"),
        ({"generator": "vllm"}, "vLLM, in the process that trains"),
        ({"generator": "server", "server": "http://gpu:8000/v1"}, "vLLM servers, which are given"),
        ({"generator": "transformers"}, "transformers: slower"),
    ],
)
def test_the_page_of_a_run_says_who_answers(start, client, config, words):
    _page, run = start()
    PolicyRun.objects.filter(pk=run.pk).update(config=config)
    page = client.get(reverse("rlhf:run", args=[run.pk])).text
    assert f"<dt>Answers by</dt><dd>{words}" in page
    for address in config.get("server", "").split():
        assert address in page


def test_the_form_offers_the_generators_that_the_program_knows():
    from rlhf.forms import GENERATORS

    for name, _words in GENERATORS:
        server = "http://gpu:8000/v1" if name == "server" else ""
        Start("policy", "reward", generator=name or "vllm", server=server)
