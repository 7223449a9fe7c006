"""The smallest language there is: four letters and an end, and a model that knows nothing yet."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rewardmodel.learning.devices import CPU
from rlhf.generation.local import TransformersGenerator
from rlhf.learning.critic import Critic
from rlhf.learning.learner import Learner
from rlhf.learning.policy import Policy, Tuning
from rlhf.learning.ppo import World, train
from rlhf.learning.pretraining import Reminder
from rlhf.learning.rollouts import Conversation, Score
from rlhf.learning.settings import PPOTraining

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


def letter_policy(
    tuning: Tuning = "full",
    seed: int = 0,
    layers: int = 1,
    separate: bool = False,
    device: torch.device = CPU,
    precision: str = "fp32",
) -> Policy:
    """A transformer of one layer over seven tokens, with random weights."""
    config = LlamaConfig(
        vocab_size=len(SPECIAL + LETTERS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        # Where the embedding is frozen it must tell the letters apart already.
        initializer_range=0.02 if tuning == "full" else 0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config).to(device)
    return Policy(
        model,
        tuning,
        lora_rank=4,
        temperature=1.0,
        seed=seed,
        precision=precision,
        top_layers=1,
        critic=Critic.new(model) if separate else None,
    )


def share_of_a(conversations: list[Conversation], responses: list[str]) -> list[float]:
    """A scorer with a simple taste: the share of the letter a, and nothing for silence."""
    return [text.count("a") / max(len(text), 1) for text in responses]


QUICK = PPOTraining(
    updates=12,
    batch_size=32,
    minibatch_size=16,
    epochs=3,
    max_response_tokens=6,
    tuning="full",
    learning_rate=2e-2,
    value_learning_rate=2e-2,
    kl_coef=0.0,
    stop_kl=0.0,
)


def changed(**settings: object) -> PPOTraining:
    """The quick settings, but for some."""
    return PPOTraining(**{**vars(QUICK), **settings})


def world_of(
    learner: Learner, score: Score = share_of_a, reminder: Reminder | None = None
) -> World:
    """The learner's own model answers."""
    tokenizer = letter_tokenizer()
    generator = TransformersGenerator(learner.policy.causal_lm, tokenizer)
    return World(tokenizer, generator, score, PROMPTS, reminder)


def run(
    config: PPOTraining, score: Score = share_of_a, learner: Learner | None = None
) -> list[dict[str, float]]:
    """All updates of a run from where the learner stands."""
    learner = learner or Learner(config, letter_policy())
    return list(train(config, learner, world_of(learner, score)))


def untimed(metrics: list[dict[str, float]]) -> list[dict[str, float]]:
    """The part of the metrics that does not depend on the machine's mood."""
    return [{name: value for name, value in row.items() if "second" not in name} for row in metrics]
