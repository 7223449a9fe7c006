"""A policy cut among the processes of its training."""

from rewardmodel.learning.processes import Crew
from rewardmodel.learning.sharding import launch
from rewardmodel.learning.sharding.choice import laid_out
from rewardmodel.learning.sharding.layout import Layout
from rlhf.learning.policy import Policy
from rlhf.learning.settings import PPOTraining
from rlhf.learning.texts import Texts


def check_launch(config: PPOTraining, generator: str, processes: int) -> None:
    """Refuse a way of launching that is not there, or not for these settings.

    Raises:
        ValueError: it is one; the sentence says what to do.
    """
    launch.check_launch(config.tuning, processes)
    way = launch.wanted()
    if not way:
        return
    if generator != "transformers":
        raise ValueError(
            f"generator={generator!r} can't take the weights of a policy that {way} cut; set it "
            "to 'transformers'."
        )
    for name in ("ema", "pretrain_coef"):
        if getattr(config, name):
            raise ValueError(f"{name} is not there for a policy that {way} cut; set it to 0.")
    if config.batch_size < processes * config.answers_per_prompt:
        raise ValueError(
            f"batch_size={config.batch_size} leaves one of {processes} processes without answers."
        )


def layout_of(policy: Policy, crew: Crew) -> Layout:
    """Lay a policy out as the launcher was asked to; its frozen reference is whole everywhere."""
    decoders = [policy.model.get_decoder()]
    if policy.critic is not None:
        decoders.append(policy.critic.trunk)
    return laid_out(policy, crew, decoders, lambda: policy(Texts.of([[0]], [[0]])))
