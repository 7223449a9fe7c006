"""Which answers go together: no rule about memory or grouping changes what is learned."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from rlhf.learning.minibatches import minibatches, parts
from rlhf.learning.settings import PPOTraining


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=12),
    st.integers(1, 200),
    st.sampled_from([1, 2]),
)
def test_every_row_is_in_one_pass_in_order_and_no_pass_is_too_large(lengths, budget, together):
    count = len(lengths) - len(lengths) % together
    if not count:
        return
    sizes = torch.tensor(lengths[:count])
    passes = parts(torch.arange(count), sizes, budget, together)
    assert [row for one in passes for row in one.tolist()] == list(range(count))
    for one in passes:
        assert len(one) % together == 0
        assert len(one) == together or len(one) * int(sizes[one].max()) <= budget


def test_answers_to_one_prompt_stay_together_in_every_pass():
    config = PPOTraining(batch_size=12, minibatch_size=4, answers_per_prompt=2, epochs=3)
    for rows in minibatches(config, update=3):
        assert all(a + 1 == b and a % 2 == 0 for a, b in rows.view(-1, 2).tolist())
