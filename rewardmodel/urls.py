"""Addresses of the reward model pages."""

from django.urls import path

from rewardmodel.api import Scores
from rewardmodel.views import reward_models, suites

app_name = "rewardmodel"
urlpatterns = [
    path("reward-models/", reward_models.index, name="list"),
    path("reward-models/suites/", suites.index, name="suites"),
    path("reward-models/<int:pk>/suites/", suites.measure, name="measure"),
    path("reward-models/<int:pk>/", reward_models.detail, name="run"),
    path("reward-models/<int:pk>/live/", reward_models.live, name="live"),
    path("reward-models/<int:pk>/card/", reward_models.card, name="card"),
    path("reward-models/<int:pk>/compare/", reward_models.compare, name="compare"),
    path("reward-models/<int:pk>/pairs/<int:comparison>/", reward_models.pair, name="pair"),
    path("reward-models/<int:pk>/held-out/", reward_models.held_out, name="held_out"),
    path("reward-models/<int:pk>/appoint/", reward_models.appoint, name="appoint"),
    path("reward-models/<int:pk>/cancel/", reward_models.cancel, name="cancel"),
    path("api/reward-models/<int:pk>/scores/", Scores.as_view(), name="scores"),
    path("snapshots/<int:pk>/reward-model/", reward_models.train, name="train"),
]
