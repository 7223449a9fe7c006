from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from rewardmodel.learning.conversations import Chat
from tests.tiny_model import make_tiny_model


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def chat(tiny: Path) -> Chat:
    return Chat(AutoTokenizer.from_pretrained(tiny))
