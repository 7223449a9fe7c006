"""A PPO run on its page: what is shown, steering it, and several side by side."""

import json

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import AuditEvent
from rewardmodel.models import RewardModel
from rewardmodel.services.runs import cancel
from rlhf.models import PolicyRun, PolicyRunMetric, Steering
from rlhf.services.policies import register_base
from rlhf.services.steering import change_kl_coef, finish, hand_over
from tests.cast import ask, frozen

MEASURED = [
    *("score", "reward", "validation_score", "kl", "kl_coef", "entropy", "length", "eos_rate"),
    *("repetition", "clip_fraction", "value_loss", "explained_variance", "tokens_per_second"),
    *("seconds_rollout", "seconds_score", "seconds_freeze", "seconds_train", "seconds_sync"),
    "engine_gap",
]


@pytest.fixture
def run(campaign, settings, tmp_path):
    settings.VAR = tmp_path
    base = register_base(name="parrot", checkpoint="/models/parrot")
    scorer = RewardModel.objects.create(snapshot=frozen(campaign), base=base)
    made = PolicyRun.objects.create(campaign=campaign, parent=base, reward_model=scorer)
    assert made.claim(timezone.now())
    return made


def another(run, **config):
    return PolicyRun.objects.create(
        campaign=run.campaign, parent=run.parent, reward_model=run.reward_model, config=config
    )


def tell(run, step, **values):
    PolicyRunMetric.objects.create(run=run, step=step, values=values)


def test_what_an_engineer_changes_reaches_the_programs_directory(run, erin, tmp_path):
    hand_over(run, tmp_path)
    assert not (tmp_path / "steering.json").exists()
    change_kl_coef(run=run, kl_coef=0.5, by=erin)
    finish(run=run, by=erin)
    hand_over(run, tmp_path)
    assert json.loads((tmp_path / "steering.json").read_text()) == [
        {"number": 1, "kl_coef": 0.5, "finish": False},
        {"number": 2, "kl_coef": None, "finish": True},
    ]


def test_every_change_is_audited(run, erin):
    change_kl_coef(run=run, kl_coef=0.5, by=erin)
    finish(run=run, by=erin)
    events = AuditEvent.objects.filter(act="training.steered").order_by("pk")
    assert [event.actor for event in events] == [erin, erin]
    assert [event.details for event in events] == [
        {"step": 0, "kl_coef": 0.5},
        {"step": 0, "finish": True},
    ]
    assert {event.campaign for event in events} == {run.campaign}


def test_a_run_that_ended_or_is_about_to_can_not_be_changed(run, erin):
    finish(run=run, by=erin)
    with pytest.raises(errors.NothingToSteer):
        change_kl_coef(run=run, kl_coef=0.5, by=erin)
    other = another(run)
    cancel(run=other, now=timezone.now())
    with pytest.raises(errors.NothingToSteer):
        finish(run=other, by=erin)
    with pytest.raises(errors.Refused, match="no KL coefficient"):
        change_kl_coef(run=another(run, algorithm="dpo"), kl_coef=0.5, by=erin)


@pytest.mark.parametrize(
    "values",
    [
        {"kl_coef": None, "finish": False},
        {"kl_coef": 0.1, "finish": True},
        {"kl_coef": -0.1},
        {"kl_coef": float("inf")},
    ],
)
def test_the_database_takes_no_change_that_makes_no_sense(run, erin, values):
    with pytest.raises(IntegrityError), transaction.atomic():
        Steering.objects.create(run=run, number=1, steered_by=erin, **values)


def test_changes_are_never_changed(run, erin):
    change_kl_coef(run=run, kl_coef=0.5, by=erin)
    with pytest.raises(DatabaseError), transaction.atomic():
        Steering.objects.update(kl_coef=0.1)


def test_the_page_says_what_was_changed_and_since_which_update(client, run, erin):
    client.force_login(erin)
    tell(run, 1, kl_coef=0.02, steered=0)
    page = client.get(reverse("rlhf:run", args=[run.pk])).content.decode()
    assert 'value="0.02"' in page
    client.post(reverse("rlhf:price", args=[run.pk]), {"kl_coef": "0.3"})
    page = client.get(reverse("rlhf:run", args=[run.pk])).content.decode()
    assert "KL coefficient 0.3" in page
    assert "with the next update" in page
    tell(run, 2, kl_coef=0.02, steered=0)
    tell(run, 3, kl_coef=0.3, steered=1)
    page = client.get(reverse("rlhf:run", args=[run.pk])).content.decode()
    assert "from update 3" in page
    client.post(reverse("rlhf:finish", args=[run.pk]))
    page = client.get(reverse("rlhf:run", args=[run.pk])).content.decode()
    assert "To end and keep the result" in page
    assert reverse("rlhf:price", args=[run.pk]) not in page


@pytest.mark.parametrize("value", ["-1", "much", "", "inf", "nan", "1e9"])
def test_a_price_that_makes_no_sense_is_given_back_with_a_sentence(client, run, erin, value):
    client.force_login(erin)
    response = client.post(reverse("rlhf:price", args=[run.pk]), {"kl_coef": value})
    assert response.status_code == 422
    assert response.context["form"].errors["kl_coef"]
    assert not Steering.objects.exists()


def test_all_that_a_run_measures_is_drawn(client, run, erin):
    for step in (1, 2):
        tell(run, step, **dict.fromkeys(MEASURED, float(step)))
    client.force_login(erin)
    charts = client.get(reverse("rlhf:run", args=[run.pk])).context["charts"]
    assert sum(len(chart.lines) for chart in charts) == len(MEASURED)


def test_what_distance_buys_is_drawn_once_there_are_enough_updates(client, run, erin):
    client.force_login(erin)
    for step in range(1, 9):
        page = client.get(reverse("rlhf:run", args=[run.pk]))
        assert (page.context["frontier"] is not None) == (step > 7)
        tell(run, step, kl=0.3 * (step - 1), score=0.1 * step)  # the first KL is 0: no distance
    page = client.get(reverse("rlhf:run", args=[run.pk])).content.decode()
    assert "Reward against the root of KL" in page


def test_samples_stand_beside_the_reference_with_the_words_that_changed(client, run, erin):
    prompt = ask("Why?")
    run.directory.mkdir(parents=True)
    texts = {0: "Because it rains.", 2: "Because it pours.", 4: "Because it really pours."}
    rows = [{"step": n, "prompt_id": prompt.pk, "text": text} for n, text in texts.items()]
    (run.directory / "samples.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    client.force_login(erin)
    response = client.get(reverse("rlhf:run", args=[run.pk]))
    [sample] = response.context["samples"]
    assert (sample.reference, sample.newest, sample.between) == (
        texts[0],
        (4, texts[4]),
        [(2, texts[2])],
    )
    page = response.content.decode()
    assert "<del> rains.</del>" in page
    assert "<ins> really pours.</ins>" in page


def test_runs_are_compared_on_one_page(client, run, erin):
    other = another(run, kl_coef=0.2)
    for one in (run, other):
        for step in (1, 2, 3):
            tell(one, step, score=float(step), kl=0.1 * step)
    client.force_login(erin)
    response = client.get(reverse("rlhf:compare_runs"), {"run": [run.pk, other.pk]})
    assert response.context["runs"] == [run, other]
    assert response.context["settings"] == [("kl_coef", [None, 0.2])]
    charts = {chart.key: chart for chart in response.context["charts"]}
    assert charts.keys() == {"compared-score", "compared-kl"}
    assert [line.name for line in charts["compared-score"].lines] == [
        f"PPO run {run.pk}",
        f"PPO run {other.pk}",
    ]


def test_nothing_or_nonsense_chosen_says_what_to_do(client, run, erin):
    client.force_login(erin)
    for chosen in ([], [run.pk], ["x", "9" * 30]):
        response = client.get(reverse("rlhf:compare_runs"), {"run": chosen})
        assert response.status_code == 200
        assert "Choose two runs or more" in response.content.decode()
