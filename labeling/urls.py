"""Addresses of the labeling pages."""

from django.urls import path, re_path

from labeling.views import (
    audit,
    campaigns,
    care,
    corrections,
    history,
    home,
    images,
    languages,
    offline,
    reuse,
    skips,
    transfers,
    work,
)

app_name = "labeling"
urlpatterns = [
    path("", home.home, name="home"),
    path("language/", languages.choose, name="language"),
    path("label/", work.choose, name="choose"),
    path("label/worker.js", offline.worker, name="worker"),
    path("label/<int:pk>/", work.work, name="work"),
    path("label/<int:pk>/ahead/", work.ahead, name="ahead"),
    path("label/<int:pk>/release/", work.release, name="release"),
    path("label/answers/<int:pk>/", work.judge, name="judge"),
    path("label/<int:pk>/begin/", care.begin, name="begin"),
    path("label/settings/", care.settings, name="settings"),
    path("label/answers/<int:pk>/again/", reuse.reuse, name="reuse"),
    path("label/history/", history.history, name="history"),
    path("label/<int:pk>/last/", corrections.last, name="last_answer"),
    path("label/judgments/<int:pk>/", corrections.change, name="change_answer"),
    path("label/judgments/<int:pk>/retract/", corrections.retract, name="retract_answer"),
    path("label/skips/<int:pk>/", skips.skip, name="skip"),
    path("images/<str:digest>/", images.image, name="image"),
    path("campaigns/", campaigns.index, name="campaigns"),
    path("campaigns/new/", campaigns.create, name="create"),
    path("campaigns/<int:pk>/", campaigns.detail, name="campaign"),
    path("campaigns/<int:pk>/progress/", campaigns.live, name="progress"),
    path("campaigns/<int:pk>/edit/", campaigns.edit, name="edit"),
    path("campaigns/<int:pk>/status/", campaigns.change, name="status"),
    path("campaigns/<int:pk>/snapshots/", transfers.snapshot, name="snapshot"),
    path("campaigns/<int:pk>/export/", transfers.export, name="export"),
    path("campaigns/<int:pk>/import/", transfers.import_file, name="import"),
    path("audit/", audit.index, name="audit"),
    re_path(r"^audit/export\.(?P<kind>csv|jsonl)$", audit.export, name="audit_export"),
]
