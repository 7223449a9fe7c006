"""Which prompts are held out for tests: decided by the prompt alone, everywhere the same."""

import hashlib

TEST_SHARE = 0.15
SPLIT = {"by": "prompt", "seed": 0, "test_share": TEST_SHARE}


def split_of(prompt_digest: str, seed: int = 0, test_share: float = TEST_SHARE) -> str:
    """ "train" or "test", decided by the prompt alone: the same in every snapshot and run."""
    draw = hashlib.sha256(f"{seed}:{prompt_digest}".encode()).digest()
    return "test" if int.from_bytes(draw[:8]) / 2**64 < test_share else "train"
