"""The smallest language there is: four letters and an end, and a model that knows nothing yet."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rlhf.learning.policy import Policy, Tuning
from rlhf.learning.rollouts import Conversation

LETTERS = ["a", "b", "c", "d"]
SPECIAL = ["<pad>", "<end>", "<ask>"]
PROMPTS: list[Conversation] = [[{"role": "user", "content": letter}] for letter in LETTERS]


def letter_tokenizer() -> PreTrainedTokenizerFast:
    """One token a letter; a prompt is its letters and a mark that asks for an answer."""
    vocabulary = {token: i for i, token in enumerate(SPECIAL + LETTERS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<end>",
        additional_special_tokens=["<ask>"],
        chat_template="{% for m in messages %}{{ m['content'] }}{% endfor %}<ask>",
    )


def letter_policy(tuning: Tuning = "full", seed: int = 0) -> Policy:
    """A one-layer transformer over seven tokens, with random weights."""
    config = LlamaConfig(
        vocab_size=len(SPECIAL + LETTERS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        # Adapters can't change the embedding, so theirs must tell the letters apart already.
        initializer_range=0.5 if tuning == "lora" else 0.02,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    return Policy(model, tuning, lora_rank=4, temperature=1.0, seed=seed, precision="fp32")


def share_of_a(conversations: list[Conversation], responses: list[str]) -> list[float]:
    """A scorer with a simple taste: the share of the letter a, and nothing for silence."""
    return [text.count("a") / max(len(text), 1) for text in responses]
