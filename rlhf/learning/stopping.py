"""When a run left alone ends by itself: its answers are no longer worth learning from."""

from rlhf.learning.settings import PPOTraining


def reason_to_end(config: PPOTraining, told: dict[str, float], first_length: float) -> str:
    """Why the run should end after what an update told, in a sentence; empty while it should not.

    Args:
        config: its limits; 0 is none.
        told: the metrics of one update, about the answers it sampled.
        first_length: tokens of the first update's answers, on average.
    """
    if 0 < config.stop_at_kl < told["kl"]:
        return (
            f"The policy is {told['kl']:.1f} nats an answer from its reference, past the limit of "
            f"{config.stop_at_kl:g}: what it is paid for is no longer what was compared."
        )
    if told["entropy"] < config.stop_at_entropy:
        return (
            f"The entropy fell to {told['entropy']:.3f} nats a token, below the limit of "
            f"{config.stop_at_entropy:g}: the policy says the same whatever happens."
        )
    if 0 < config.stop_at_repetition < told["repetition"]:
        return (
            f"A share of {told['repetition']:.2f} of all word triples repeats another, above the "
            f"limit of {config.stop_at_repetition:g}: the policy goes round in circles."
        )
    if 0 < config.stop_at_growth * first_length < told["length"]:
        return (
            f"Answers grew from {first_length:.0f} to {told['length']:.0f} tokens, past "
            f"{config.stop_at_growth:g} times their first length: the policy is paid for length."
        )
    return ""
