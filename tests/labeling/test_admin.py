import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from tests.cast import judge, person

OURS = [
    model
    for label in ("labeling", "rewardmodel", "rlhf")
    for model in apps.get_app_config(label).get_models()
    if not model._meta.auto_created
]
APPEND_ONLY = {
    *("response", "judgment", "skip", "snapshot", "discardedpair", "promotion"),
    *("demonstration", "demonstrationskip", "demonstrationsnapshot"),
}


@pytest.fixture
def as_admin(client, db):
    client.force_login(person("admin", is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_the_admin_shows_every_table(as_admin, model, alice, campaign, fill):
    fill(campaign)
    judge(alice, campaign)
    page = as_admin.get(
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    )
    assert page.status_code == 200


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_every_table_is_searched(as_admin, rf, model, alice, campaign, fill):
    fill(campaign)
    judge(alice, campaign)
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    assert admin.site.get_model_admin(model).get_search_fields(rf.get("/"))
    assert as_admin.get(address, {"q": "alice 1"}).status_code == 200


def test_a_row_is_found_by_its_key_and_by_the_names_it_points_at(as_admin, alice, bob, campaign):
    address = reverse("admin:labeling_membership_changelist")
    own, other = campaign.memberships.filter(role="labeler").order_by("user__username")
    for words in (str(own.pk), "alice", "helpful alice"):
        found = as_admin.get(address, {"q": words}).context["cl"].queryset
        assert list(found) == [own]
    assert other in as_admin.get(address, {"q": "helpful"}).context["cl"].queryset


@pytest.mark.parametrize(
    "model",
    [m for m in OURS if m._meta.model_name in APPEND_ONLY],
    ids=lambda model: model._meta.model_name,
)
def test_rows_that_never_change_are_read_only_there(as_admin, rf, model):
    request = rf.get("/")
    request.user = person("root", is_staff=True, is_superuser=True)
    page = admin.site.get_model_admin(model)
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)
