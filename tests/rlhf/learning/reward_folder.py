"""The folder of a reward model that has learned nothing: quick to make, and real."""

from pathlib import Path

import torch
from transformers import AutoTokenizer

from rewardmodel.learning.artifact import Card, save_artifact
from rewardmodel.learning.conversations import Chat
from rewardmodel.learning.model import RewardModel, load_trunk


def reward_folder(folder: Path, tiny: Path, seed: int = 0) -> Path:
    """Write one with the trunk of the tiny model and a head of random weights."""
    chat = Chat(AutoTokenizer.from_pretrained(tiny))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = RewardModel(load_trunk(tiny), chat.padding)
        torch.nn.init.normal_(model.head.weight)
    card = Card(
        mean=0.0,
        std=1.0,
        temperature=1.0,
        max_length=512,
        precision="fp32",
        template_hash=chat.template_hash(),
        tokenizer_hash=chat.tokenizer_hash(),
    )
    folder.mkdir()
    save_artifact(folder, model, chat, card)
    return folder
