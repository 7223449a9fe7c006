import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewardmodel.learning.batches import Group, passes, visible
from rewardmodel.learning.model import RewardModel, load_trunk

GROUPS = [
    Group([5, 6, 7], [[8, 9, 2], [10, 2]]),
    Group([11, 12, 13, 14, 15, 16, 17], [[18, 2], [19, 20, 21, 22, 23, 2]]),
    Group([24], [[25, 2], [26, 27, 2], [28, 29, 30, 2]]),
]


@pytest.fixture
def packed(tiny) -> RewardModel:
    torch.manual_seed(0)
    return RewardModel(load_trunk(tiny), padding=0, packing=True)


@pytest.fixture
def padded(tiny, packed) -> RewardModel:
    model = RewardModel(load_trunk(tiny), padding=0, packing=False)
    model.head = packed.head
    return model


def scores_of(model: RewardModel, groups: list[Group]) -> torch.Tensor:
    return model.judge(model.features(model.batch(groups)))


def one_by_one(model: RewardModel) -> torch.Tensor:
    single = [Group(group.prompt, [response]) for group in GROUPS for response in group.responses]
    return torch.cat([scores_of(model, [group]) for group in single])


def test_packed_padded_and_one_by_one_give_the_same_scores(packed, padded):
    scores = scores_of(packed, GROUPS)
    assert scores.shape == (7,)
    torch.testing.assert_close(scores, scores_of(padded, GROUPS), atol=1e-5, rtol=0)
    torch.testing.assert_close(scores, one_by_one(packed), atol=1e-5, rtol=0)
    torch.testing.assert_close(scores, one_by_one(padded), atol=1e-5, rtol=0)


def test_packed_and_padded_give_the_same_gradients(packed, padded):
    for model in (packed, padded):
        model.head.zero_grad()
        scores_of(model, GROUPS).square().sum().backward()
    for (name, one), other in zip(
        packed.trunk.named_parameters(), padded.trunk.parameters(), strict=True
    ):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4, msg=name)


def test_padding_changes_nothing(padded):
    alone = scores_of(padded, GROUPS[:1])
    among_longer = scores_of(padded, GROUPS)[:2]
    torch.testing.assert_close(alone, among_longer, atol=1e-5, rtol=0)


def test_a_score_does_not_depend_on_the_other_response_or_the_other_pairs(packed):
    before = scores_of(packed, GROUPS)[0]
    other = Group(GROUPS[0].prompt, [GROUPS[0].responses[0], [99, 98, 97, 2]])
    after = scores_of(packed, [other, Group([50] * 9, [[51, 2]])])[0]
    torch.testing.assert_close(before, after, atol=1e-5, rtol=0)


def test_a_response_sees_its_prompt_and_itself_never_the_other():
    assert visible(Group([1, 1], [[1, 1], [1]])).int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(10, 60))
def test_every_group_is_in_one_pass_and_no_pass_is_over_its_budget(lengths, budget):
    groups = [Group([1] * length, [[2]]) for length in lengths]
    split = passes(groups, budget)
    assert sorted(number for part in split for number in part) == list(range(len(groups)))
    assert all(
        len(part) == 1 or sum(groups[number].length for number in part) <= budget for part in split
    )
