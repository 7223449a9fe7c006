"""What the page of a new reward model asks, and what the program is told."""

import pytest

from rewardmodel import forms


@pytest.fixture
def filled(policy):
    def fill(aspects=(), **more):
        return forms.TrainForm({"base": policy.pk, **more}, aspects=aspects)

    return fill


def test_the_page_offers_what_the_program_knows():
    from rewardmodel.learning import labels, losses, settings

    assert tuple(value for value, _ in forms.LOSSES) == losses.LOSSES
    assert tuple(value for value, _ in forms.LABELS) == labels.LABELS
    assert tuple(value for value, _ in forms.STRENGTHS) == labels.STRENGTHS
    assert forms.OVERALL == settings.OVERALL


def test_what_is_left_empty_is_the_programs_own_choice(filled):
    form = filled()
    assert form.is_valid()
    assert form.config() == {}


def test_each_aspect_of_the_campaign_may_have_a_weight(filled):
    form = filled(["brief", "kind"], weight_0=3, weight_2=1)
    assert [f.label for f in form if f.name.startswith("weight")] == [
        "Weight of the whole answer",
        "Weight of brief",
        "Weight of kind",
    ]
    assert form.is_valid()
    assert form.config() == {"aspects": {"overall": 3.0, "kind": 1.0}}


def test_a_campaign_without_aspects_asks_for_no_weights(filled):
    assert not [field for field in filled() if field.name.startswith("weight")]


def test_what_the_program_would_refuse_is_refused_at_its_field(filled):
    from rewardmodel.learning.settings import RewardTraining

    for more, field in (
        ({"aspects": ["brief"], "weight_1": 1, "heads": 4}, "heads"),
        ({"strengths": "calibrated"}, "margin_scale"),
    ):
        form = filled(**more)
        assert not form.is_valid()
        assert list(form.errors) == [field]
    for refused in ({"aspects": {"brief": 1.0}, "heads": 4}, {"strengths": "calibrated"}):
        with pytest.raises(ValueError, match=r"heads to 1|margin_scale"):
            RewardTraining(**refused)
