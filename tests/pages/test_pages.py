"""All the pages: who may open them, what they say, and that everybody can use them."""

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import expect

from labeling.models import Campaign, Judgment, Policy, Snapshot
from labeling.views.dashboards import DASHBOARDS
from rewardmodel.models import RewardModel
from rlhf.models import PolicyRun, ResponseRequest, Round, SFTRun
from rlhf.services.rounds import begin_round
from tests.cast import PASSWORD, ask, judge
from tests.pages.axe import audit
from tests.pages.campaign_scene import planning
from tests.pages.judge_scene import held_out, in_use, leave_behind, rival
from tests.pages.kinds_scene import group_reviews
from tests.pages.policy_scene import steered
from tests.pages.scene import Scene, reviews, set_scene, unfinished
from tests.pages.writing_scene import learning


@pytest.fixture
def scene(db: None, settings: Any, tmp_path: Any) -> Scene:
    settings.VAR = tmp_path
    settings.ARTIFACTS_URL = f"file://{tmp_path}/artifacts"
    return set_scene()


def addresses(scene: Scene) -> list[str]:
    """Every page, as the engineer sees them."""
    return [*everyones(scene), *managers(scene), "/nothing/"]


def everyones(scene: Scene) -> list[str]:
    """Pages that each user has, with what is the user's own."""
    return [
        "/",
        reverse("labeling:choose"),
        reverse("labeling:write", args=[scene.writing.campaign.pk]),
        reverse("labeling:work", args=[scene.campaign.pk]),
        reverse("labeling:work", args=[scene.kinds.ranking.pk]),
        reverse("labeling:work", args=[scene.kinds.image.pk]),
        reverse("labeling:work", args=[scene.kinds.warned.pk]),
        reverse("rlhf:chat", args=[scene.kinds.chat.pk]),
        reverse("labeling:history"),
        reverse("labeling:settings"),
        reverse("labeling:own_data"),
        reverse("labeling:withdraw"),
        reverse("labeling:tokens"),
        reverse("labeling:notices"),
        reverse("mfa_index"),
        reverse("account_change_password"),
        reverse("account_reauthenticate"),
    ]


# Pages of those who are not signed in.
STRANGERS = [
    "/accounts/login/",
    "/accounts/password/forgotten/",
    "/accounts/password/forgotten/sent/",
]


def managers(scene: Scene) -> list[str]:
    """Pages of those who manage a campaign or steer training."""
    running = unfinished(scene)
    leave_behind(scene.reward_model, held_out(scene))
    best_of = in_use(scene)
    compare = reverse("rewardmodel:compare", args=[scene.reward_model.pk])
    writing = scene.writing
    improving = steered(scene)
    return [
        reverse("labeling:campaigns"),
        reverse("labeling:create"),
        reverse("labeling:audit"),
        reverse("rlhf:withdrawals"),
        reverse("labeling:people", args=[scene.campaign.pk]),
        reverse("labeling:campaign", args=[scene.campaign.pk]),
        reverse("labeling:create") + "?from=harmlessness",
        reverse("labeling:edit", args=[scene.campaign.pk]),
        reverse("labeling:guidelines_versions", args=[scene.campaign.pk]),
        *(reverse("labeling:dashboard", args=[scene.campaign.pk, name]) for name in DASHBOARDS),
        reverse("labeling:dashboard", args=[scene.duel.pk, "agreement"]),
        reverse("labeling:dashboard", args=[scene.duel.pk, "policies"]),
        reverse("labeling:quality", args=[scene.campaign.pk]),
        reverse("labeling:reviews", args=[scene.campaign.pk]),
        *(reverse("labeling:review", args=[item.pk]) for item in reviews(scene)),
        *(
            reverse("labeling:review", args=[item.pk])
            for item in group_reviews(scene.kinds.ranking, scene.parent, scene.manager)
        ),
        *planning(scene),
        reverse("rewardmodel:list"),
        reverse("rewardmodel:run", args=[scene.reward_model.pk]),
        reverse("rewardmodel:run", args=[running.pk]),
        reverse("rewardmodel:card", args=[scene.reward_model.pk]),
        compare,
        f"{compare}?other={rival(scene).pk}",
        reverse("rewardmodel:suites"),
        reverse("rlhf:best_of", args=[scene.reward_model.pk]),
        reverse("rlhf:best_of_run", args=[best_of.pk]),
        reverse("rewardmodel:pair", args=[scene.reward_model.pk, held_out(scene)[0].pk]),
        reverse("rewardmodel:train", args=[scene.reward_model.snapshot_id]),
        reverse("rlhf:policies"),
        reverse("rlhf:policy", args=[scene.child.pk]),
        reverse("rlhf:lineage", args=[scene.child.pk]),
        reverse("rlhf:run", args=[scene.policy_run.pk]),
        reverse("rlhf:run", args=[improving.pk]),
        reverse("rlhf:compare_runs"),
        reverse("rlhf:compare_runs") + f"?run={scene.policy_run.pk}&run={improving.pk}",
        reverse("labeling:campaign", args=[writing.campaign.pk]),
        reverse("rlhf:teach", args=[writing.snapshot.pk]),
        reverse("rlhf:sft_run", args=[writing.run.pk]),
        reverse("rlhf:sft_run", args=[learning(writing).pk]),
        reverse("rlhf:policy", args=[writing.child.pk]),
        reverse("rlhf:rounds"),
        reverse("rlhf:round", args=[scene.round.pk]),
    ]


# Every rule of WCAG 2.2 AA and axe's own in one theme; what depends on colours in the other too.
RULES = {
    "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "dark": ["cat.color"],
}


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_axe_finds_nothing_on_any_page_in_either_theme(page, live_server, sign_in, scene):
    found = []
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.emulate_media(reduced_motion="reduce", color_scheme="light")
    for address in [*STRANGERS, *addresses(scene)]:
        if address == "/":
            sign_in(scene.engineer)
        page.goto(live_server.url + address)
        page.wait_for_timeout(150)  # the parts that load themselves
        for theme, tags in RULES.items():
            page.emulate_media(color_scheme=theme)
            results = audit(page, tags)
            assert results["passes"], f"axe checked nothing at {address}"
            found += [
                f"{address} ({theme}): {v['id']} {v['help']}: {v['nodes'][0]['html'][:200]}"
                for v in results["violations"]
            ]
    assert not found, "\n".join(found)
    # The content security policy would complain here about anything inline.
    assert not [text for text in complaints if "Content Security Policy" in text]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_pages_read_from_the_right_are_as_sound_and_no_wider(page, live_server, sign_in, scene):
    sign_in(scene.engineer)
    cookie = {"name": settings.LANGUAGE_COOKIE_NAME, "value": "ar", "url": live_server.url}
    page.context.add_cookies([cookie])
    page.emulate_media(reduced_motion="reduce", color_scheme="light")
    found = []
    for address in [
        *everyones(scene),
        reverse("labeling:campaign", args=[scene.campaign.pk]),
        reverse("rewardmodel:run", args=[scene.reward_model.pk]),
        reverse("rlhf:run", args=[scene.policy_run.pk]),
        reverse("rlhf:sft_run", args=[scene.writing.run.pk]),
        reverse("rlhf:round", args=[scene.round.pk]),
    ]:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(live_server.url + address)
        assert page.locator("html").get_attribute("dir") == "rtl", address
        page.wait_for_timeout(150)
        # What does not fit stands out at the left here.
        if (most := page.evaluate("document.documentElement.scrollWidth")) > 390:
            found.append(f"{address} is {most} pixels wide")
        found += [
            f"{address}: {v['id']} {v['help']}: {v['nodes'][0]['html'][:200]}"
            for v in audit(page, RULES["light"])["violations"]
        ]
    assert not found, "\n".join(found)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_theme_is_remembered(page, live_server, alice):
    page.emulate_media(color_scheme="light")
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Hello, alice")).to_be_visible()
    assert page.locator("html").get_attribute("data-theme") == "dark"


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_no_page_is_wider_than_a_phone(page, live_server, sign_in, scene):
    sign_in(scene.engineer)
    for address in addresses(scene):
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(live_server.url + address)
        page.wait_for_timeout(150)
        for narrow in (390, 320):  # 320: also a window of 1280 at 400 %
            page.set_viewport_size({"width": narrow, "height": 844})
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= narrow, f"{address} is {width} pixels wide"


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_reviews_are_read_on_a_phone_without_scrolling_sideways(page, live_server, sign_in, scene):
    _, decided = reviews(scene)
    sign_in(scene.engineer)
    for address, title, label in (
        (reverse("labeling:reviews", args=[scene.campaign.pk]), "Waiting", "Category"),
        (reverse("labeling:review", args=[decided.pk]), "What was said about this pair", "By"),
    ):
        for width, are_cards in ((390, True), (1440, False)):
            page.set_viewport_size({"width": width, "height": 844})
            page.goto(live_server.url + address)
            table = page.get_by_role("group", name=title)
            assert table.evaluate("part => part.scrollWidth - part.clientWidth") <= 0
            cell = table.get_by_role("cell").first
            expect(cell).to_be_visible()
            shown = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
            assert (label in shown) is are_cards


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_running_page_follows_its_run_to_the_end(page, live_server, sign_in, scene):
    run = unfinished(scene)
    sign_in(scene.engineer)
    page.goto(live_server.url + reverse("rewardmodel:run", args=[run.pk]))
    expect(page.get_by_text("step 37 of 120")).to_be_visible()
    page.locator("#curve-0-table summary").click()
    RewardModel.objects.filter(pk=run.pk).update(step=60)
    expect(page.get_by_text("step 60 of 120")).to_be_visible()
    expect(page.locator("#curve-0-table")).to_have_attribute("open", "")
    RewardModel.objects.filter(pk=run.pk).update(status="failed", error="Out of memory.")
    expect(page.get_by_text("Out of memory.")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel the run")).to_have_count(0)


# Without a browser -------------------------------------------------------------------------------


def test_every_page_answers_the_engineer(client, scene):
    client.force_login(scene.engineer)
    for address in addresses(scene):
        expected = 404 if address == "/nothing/" else 200
        assert client.get(address).status_code == expected, address


def test_labelers_and_strangers_do_not_see_the_managers_pages(client, scene, mallory):
    theirs = managers(scene)
    for who in (scene.labeler, mallory):
        client.force_login(who)
        for address in theirs:
            assert client.get(address).status_code in (403, 404), address


def test_a_manager_does_not_steer_training(client, scene):
    client.force_login(scene.manager)
    teach = reverse("rlhf:teach", args=[scene.writing.snapshot.pk])
    assert client.post(teach, {"parent": scene.parent.pk}).status_code == 403
    for name in ("sft_cancel", "sft_compare"):
        address = reverse(f"rlhf:{name}", args=[scene.writing.run.pk])
        assert client.post(address).status_code == 403
    assert client.get(reverse("rlhf:round", args=[scene.round.pk])).status_code == 403
    settle = reverse("rlhf:round_settle", args=[scene.round.pk])
    assert client.post(settle, {"decision": "promoted", "reason": "x"}).status_code == 403
    promote = reverse("rlhf:promote", args=[scene.child.pk])
    assert client.post(promote).status_code == 403
    assert not Round.objects.get().decision


def test_nobody_gets_in_without_signing_in(client, scene):
    for address in addresses(scene)[:-1]:
        assert client.get(address).headers["Location"].startswith("/accounts/login/")


def test_the_campaign_page_says_that_vllm_is_down_and_how_many_wait(client, scene):
    client.force_login(scene.manager)
    waiting = ResponseRequest.objects.first()
    ResponseRequest.objects.filter(pk=waiting.pk).update(
        status="queued", response=None, error="No inference server answers."
    )
    page = client.get(reverse("rlhf:generation", args=[scene.campaign.pk])).content.decode()
    assert "No inference server answers. 1 response waits" in " ".join(page.split())


def test_a_manager_makes_a_campaign_and_opens_it(client, scene, policy):
    client.force_login(scene.manager)
    response = client.post(
        reverse("labeling:create"),
        {
            "name": "Honesty",
            "strength": 2,
            "overlap": 1,
            "lease_minutes": 10,
            "flags": "unsafe, wrong language",
            "labelers": [scene.labeler.pk],
            "kind": "comparison",
            "new_prompts": "Is the moon far?\n\nWho are you?",
            "policies": [policy.pk],
            "responses": 2,
            "temperature": 0.7,
            "max_tokens": 64,
        },
    )
    made = Campaign.objects.get(name="Honesty")
    assert response.headers["Location"] == reverse("labeling:campaign", args=[made.pk])
    assert made.flags == ["unsafe", "wrong language"]
    assert made.prompts.count() == 2
    assert made.entrants.get().temperature == 0.7
    assert set(made.memberships.values_list("user__username", "role")) == {
        ("maria", "manager"),
        ("lea", "labeler"),
    }
    client.post(reverse("rlhf:pairs", args=[made.pk]))
    assert ResponseRequest.objects.filter(campaign=made).count() == 4
    client.post(reverse("labeling:status", args=[made.pk]), {"to": "open"})
    made.refresh_from_db()
    assert made.status == "open"


def test_a_campaign_with_mistakes_is_given_back_with_what_is_wrong(client, scene):
    client.force_login(scene.manager)
    response = client.post(reverse("labeling:create"), {"name": "", "overlap": 0})
    assert response.status_code == 422
    assert "This field is required." in response.content.decode()


def test_an_edit_keeps_who_already_labels(client, scene):
    client.force_login(scene.manager)
    address = reverse("labeling:edit", args=[scene.campaign.pk])
    form = client.get(address).context["form"]
    data = {
        name: value
        for name, value in ((f.html_name, f.value()) for f in form)
        if value not in (None, False)
    }
    data["labelers"] = [user.pk for user in form.initial["labelers"]]
    data["guidelines"] = "Be fair."
    assert client.post(address, data).status_code == 302
    scene.campaign.refresh_from_db()
    assert scene.campaign.guidelines == "Be fair."
    assert scene.campaign.memberships.count() == 3
    assert scene.campaign.flags[0] == "unsafe"


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_an_export_has_people_only_unless_asked(client, campaign, simon, carol, alice, fill, form):
    campaign.memberships.create(user=simon, role="labeler")
    fill(campaign, 2)
    judge(alice, campaign)
    judge(simon, campaign)
    client.force_login(carol)
    address = reverse("labeling:export", args=[campaign.pk])
    for query, expected in (({}, 1), ({"simulated": "on"}, 2)):
        response = client.get(address, {"format": form, **query})
        content = b"".join(response.streaming_content)
        rows = (
            [json.loads(line) for line in content.splitlines()]
            if form == "jsonl"
            else pq.read_table(io.BytesIO(content)).to_pylist()
        )
        assert len(rows) == expected
        assert rows[0]["chosen"][0]["role"] == "assistant"


def test_an_import_says_what_came_in_and_a_bad_line_stops_all_of_it(client, campaign, carol):
    client.force_login(carol)
    address = reverse("labeling:import", args=[campaign.pk])
    good = '{"prompt": "Why?", "chosen": "Because.", "rejected": "No."}\n'
    for content, count in ((good + "{broken\n", 0), (good, 1)):
        file = io.BytesIO(content.encode())
        file.name = "some.jsonl"
        response = client.post(address, {"file": file}, follow=True)
        assert Judgment.objects.count() == count
        text = " ".join(response.content.decode().split())
        assert ("1 preferences imported" in text) if count else ("Line 2" in text)


def test_a_snapshot_and_too_few_pairs_to_train_on(client, scene, settings, tmp_path):
    settings.ARTIFACTS_URL = f"file://{tmp_path}"
    client.force_login(scene.engineer)
    client.post(reverse("labeling:snapshot", args=[scene.campaign.pk]))
    taken = Snapshot.objects.exclude(pk=scene.reward_model.snapshot_id).get()
    response = client.post(reverse("rewardmodel:train", args=[taken.pk]), {"base": scene.parent.pk})
    assert response.status_code == 422
    assert "are needed" in response.content.decode()


def test_a_round_is_decided_by_hand_with_a_reason(client, scene):
    client.force_login(scene.engineer)
    address = reverse("rlhf:round_settle", args=[scene.round.pk])
    assert client.post(address, {"decision": "promoted"}).status_code == 422
    client.post(address, {"decision": "promoted", "reason": "It reads better."})
    decided = Round.objects.get()
    assert decided.decision == "promoted"
    assert decided.decided_by == scene.engineer
    assert Policy.objects.get(slot__isnull=False) == scene.child


def test_a_finished_run_can_not_be_cancelled(client, scene):
    client.force_login(scene.engineer)
    address = reverse("rlhf:cancel", args=[scene.policy_run.pk])
    page = client.post(address, follow=True).content.decode()
    assert "This run has ended, so there is nothing to cancel." in page


def test_the_engineer_teaches_a_policy_and_compares_it_blind(client, scene):
    client.force_login(scene.engineer)
    address = reverse("rlhf:teach", args=[scene.writing.snapshot.pk])
    refused = client.post(address, {"parent": scene.parent.pk, "epochs": 0})
    assert refused.status_code == 422
    client.post(address, {"parent": scene.parent.pk, "epochs": 3, "tuning": "full"})
    run = SFTRun.objects.first()
    assert (run.parent, run.config) == (scene.parent, {"epochs": 3, "tuning": "full"})
    assert run.created_by == scene.engineer

    done = scene.writing.run
    page = client.post(reverse("rlhf:sft_compare", args=[done.pk]), follow=True)
    assert page.context["campaign"].entrants.count() == 2
    page = client.get(reverse("rlhf:sft_run", args=[done.pk])).content.decode()
    assert "wins, ties, losses" in page


def test_the_page_offers_the_tunings_that_the_sft_program_knows():
    from rlhf.forms import TUNINGS
    from rlhf.learning.sft.student import TUNINGS as KNOWN

    assert tuple(value for value, _ in TUNINGS) == KNOWN


def test_ppo_starts_from_the_policy_and_with_the_settings_that_are_chosen(client, scene):
    campaign = Campaign.objects.create(name="Another")
    campaign.entrants.create(policy=scene.parent)
    campaign.prompts.add(*(ask(f"Round question {n}?") for n in range(120)))
    going = begin_round(campaign=campaign)
    snapshot = scene.reward_model.snapshot
    Round.objects.filter(pk=going.pk).update(snapshot=snapshot, reward_model=scene.reward_model)
    client.force_login(scene.engineer)
    address = reverse("rlhf:round_improve", args=[going.pk])
    other = Policy.objects.create(name="owl", version=0, checkpoint="/models/owl")
    client.post(address, {"policy": other.pk})
    assert not PolicyRun.objects.filter(rounds=going).exists(), "of another line"
    taught = scene.writing.child
    refused = client.post(address, {"mode": "reference", "algorithm": "rloo"}, follow=True)
    assert "rloo has no critic" in refused.content.decode()
    assert not PolicyRun.objects.filter(rounds=going).exists(), "settings that do not go together"
    client.post(address, {"policy": taught.pk, "algorithm": "dpo", "updates": 7, "kl_coef": 0})
    run = PolicyRun.objects.get(rounds=going)
    assert run.parent == taught
    chosen = {"algorithm": "dpo", "answers_per_prompt": 2, "updates": 7, "kl_coef": 0.0}
    assert run.config == chosen
