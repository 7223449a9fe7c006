"""PPO runs beside the finished one: one that goes and was steered, to be compared with it."""

from datetime import timedelta

from django.utils import timezone

from rlhf.models import PolicyRun, PolicyRunMetric
from rlhf.services.steering import change_kl_coef
from tests.pages.scene import Scene


def steered(scene: Scene) -> PolicyRun:
    """A run that goes at this moment, whose KL coefficient was raised after update 9."""
    now = timezone.now()
    run = PolicyRun.objects.create(
        campaign=scene.campaign,
        parent=scene.child,
        reward_model=scene.reward_model,
        status="running",
        claim_key="00000000-0000-0000-0000-000000000002",
        step=14,
        steps=24,
        attempts=1,
        config={"updates": 24, "kl_coef": 0.05, "epochs": 2},
        created_by=scene.engineer,
        started_at=now - timedelta(minutes=11),
        heartbeat_at=now,
    )
    change_kl_coef(run=run, kl_coef=0.1, by=scene.engineer)
    PolicyRunMetric.objects.bulk_create(
        PolicyRunMetric(
            run=run,
            step=metric.step,
            values={
                **{name: 0.9 * value for name, value in metric.values.items()},
                "kl": metric.values["kl"] * (1.4 if metric.step < 10 else 1.2),
                "kl_coef": 0.05 if metric.step < 10 else 0.1,
                "steered": int(metric.step >= 10),
            },
        )
        for metric in scene.policy_run.metrics.filter(step__lte=14)
    )
    return run
