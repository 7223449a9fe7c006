"""A critic with a network of its own."""

import pytest
import torch
from transformers import AutoTokenizer

from rewardmodel.learning.artifact import Card, load_scorer, save_artifact
from rewardmodel.learning.conversations import Chat
from rewardmodel.learning.model import RewardModel, load_trunk
from rlhf.learning.critic import Critic
from rlhf.learning.texts import Texts
from tests.tiny_model import make_tiny_model


@pytest.fixture(scope="module", params=[1, 3], ids=["one head", "three heads"])
def judge(request, tmp_path_factory):
    """The folder of a reward model whose scores are far from zero mean and unit spread."""
    tiny = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    chat = Chat(AutoTokenizer.from_pretrained(tiny))
    model = RewardModel(load_trunk(tiny), chat.padding, heads=request.param)
    torch.nn.init.normal_(model.head.bias)
    model.shift.uniform_(-1, 1)
    model.scale.uniform_(0.5, 2)
    means = [0.1 * head for head in range(request.param)] if request.param > 1 else []
    hashes = chat.template_hash(), chat.tokenizer_hash()
    card = Card(0.7, 2.5, 1.0, 512, "fp32", *hashes, head_means=means)
    folder = tmp_path_factory.mktemp("judge")
    save_artifact(folder, model, chat, card)
    return folder


def test_a_critic_that_starts_from_the_reward_model_foresees_its_score(judge):
    scorer = load_scorer(judge)
    prompts = [[5, 6, 7, 8], [5, 6]]
    answers = [[20, 21, scorer.chat.end], [22, 23, 24, 25, scorer.chat.end]]
    expected = scorer.score_tokens(prompts, answers)
    values = Critic.of_reward_model(judge)(Texts.of(prompts, answers, longest=8))
    behind = [len(answer) for answer in answers]  # the place after the end, where all is read
    assert values[torch.arange(2), behind].tolist() == pytest.approx(expected, abs=1e-5)
