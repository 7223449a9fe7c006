"""Addresses of the reward model pages."""

from django.urls import path

from rewardmodel import suite_views, views
from rewardmodel.api import Scores

app_name = "rewardmodel"
urlpatterns = [
    path("reward-models/", views.index, name="list"),
    path("reward-models/suites/", suite_views.index, name="suites"),
    path("reward-models/<int:pk>/suites/", suite_views.measure, name="measure"),
    path("reward-models/<int:pk>/", views.detail, name="run"),
    path("reward-models/<int:pk>/live/", views.live, name="live"),
    path("reward-models/<int:pk>/card/", views.card, name="card"),
    path("reward-models/<int:pk>/compare/", views.compare, name="compare"),
    path("reward-models/<int:pk>/pairs/<int:comparison>/", views.pair, name="pair"),
    path("reward-models/<int:pk>/appoint/", views.appoint, name="appoint"),
    path("reward-models/<int:pk>/cancel/", views.cancel, name="cancel"),
    path("api/reward-models/<int:pk>/scores/", Scores.as_view(), name="scores"),
    path("snapshots/<int:pk>/reward-model/", views.train, name="train"),
]
