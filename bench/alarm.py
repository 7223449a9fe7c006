"""How often the alarm is right that only the reward model which a run followed sees a gain.

    python -m bench alarm                 all runs that are not there yet, then the tables
    python -m bench alarm --faults "few labels" --held-out 60 --seeds 10
    python -m bench alarm --table         only the tables

What people like is known here: the gold scorer, made of random networks. Reward models are
trained by the product's code from labels as people give them: the better answer wins with the
probability that its lead says. One is followed by a PPO run, the other learns the labels that the
first left for tests, and the product's own rule looks at what both say of the run. Language,
networks and answers are tiny, so that hundreds of runs take minutes; each run is a world of its
own, with other gold, labels and networks.

Three kinds of fault are told apart. Where labels are few, or people are unsure as well, the gold
scorer is a head on the trunk that both reward models read with, so that they could be right. Where
the trunk is blind, a part of what people like is another network's business, and both share the
fault.

A parent that knows nothing is easily improved. One that was taught by the gold scorer itself is
not: there a run has little to gain but what its reward model gets wrong.

Each finished run is a line of runs.jsonl in --folder and is not repeated, so the command may be
stopped and called again; a second process can take other runs.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from scipy.special import expit
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel, PreTrainedTokenizerFast

from labeling.statistics.shares import share
from rewardmodel.learning import training
from rewardmodel.learning.artifact import Card, Scorer
from rewardmodel.learning.conversations import Chat
from rewardmodel.learning.learner import Learner as RewardLearner
from rewardmodel.learning.model import RewardModel
from rewardmodel.learning.pairs import Pair, fit
from rewardmodel.learning.settings import RewardTraining
from rlhf.generation.local import TransformersGenerator
from rlhf.learning import evaluation
from rlhf.learning.learner import Learner
from rlhf.learning.policy import Policy
from rlhf.learning.ppo import World, train
from rlhf.learning.rollouts import Conversation
from rlhf.learning.settings import PPOTraining
from rlhf.selectors.win_rates import only_followed_gains

ROOT = Path(__file__).resolve().parents[1]
LETTERS = "abcdefgh"
SPECIAL = ("<pad>", "<end>", "<ask>")
HELD_OUT = (30, 60, 200)  # labels that the model which checks learns
SHARE = 0.15  # of all labels, that those are
PARENTS = ("knows nothing", "taught")
KL = {"little": 0.0, "much": 0.2}  # score given up per nat
# Share of gold's variance that no reward model can see, and log-odds of the better answer for each
# standard deviation of gold between the two.
FAULTS = {"few labels": (0.0, 2.0), "unsure labels": (0.0, 0.7), "blind trunk": (0.3, 2.0)}
LEARNED, TESTED = 128, 48  # prompts
ANSWERS = 4  # to each test prompt, as a run draws them
GOLD_ANSWERS = 32  # to each test prompt, by which the gold scorer says whether there was a gain
SURELY = 2.0  # standard errors of the gold scorer's gain
TAUGHT_UPDATES = 15
PPO: dict[str, Any] = {
    "updates": 20,
    "batch_size": 64,
    "minibatch_size": 32,
    "epochs": 2,
    "max_response_tokens": 8,
    "tuning": "full",
    "learning_rate": 1e-2,
    "value_learning_rate": 1e-2,
    "precision": "fp32",
    "stop_kl": 0.0,
}
REWARD = RewardTraining(trunk_share=1.0, max_length=64, precision="fp32", evaluate_every=0)

Score = Callable[[Sequence[Conversation], Sequence[str]], list[float]]
Rule = Callable[[dict[str, Any]], bool]  # whether an alarm rings for a run


@dataclass(frozen=True)
class Run:
    """Which run it is."""

    fault: str
    held_out: int
    parent: str
    kl: str
    seed: int


@dataclass(frozen=True)
class Toy:
    """The world of one run."""

    chat: Chat
    parent: LlamaForCausalLM
    trunk: LlamaModel  # by which both reward models read
    gold: Score
    learned: list[Conversation]
    tested: list[Conversation]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faults", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--parents", nargs="+", choices=PARENTS, default=PARENTS)
    parser.add_argument("--held-out", type=int, nargs="+", choices=HELD_OUT, default=HELD_OUT)
    parser.add_argument("--seeds", type=int, default=8, help="runs of each kind")
    parser.add_argument("--folder", type=Path, default=ROOT / "var/alarm")
    parser.add_argument("--table", action="store_true", help="only show what is there")
    return parser.parse_args()


def main() -> None:
    """Do the runs that are not there yet, and tell how the alarm did in all that are."""
    asked = arguments()
    torch.set_num_threads(1)
    asked.folder.mkdir(parents=True, exist_ok=True)
    file = asked.folder / "runs.jsonl"
    if not asked.table:
        kinds = product(range(asked.seeds), asked.faults, asked.held_out, asked.parents, KL)
        for seed, fault, held_out, parent, kl in kinds:
            one = Run(fault, held_out, parent, kl, seed)
            if one not in finished(file):
                with file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps({**asdict(one), **made(one)}) + "\n")
    show([row for run, row in finished(file).items() if run.seed < asked.seeds])


def made(one: Run) -> dict[str, Any]:
    """What became of one run: what both reward models and the gold scorer say of it."""
    began = time.process_time()
    kinds = list(product(HELD_OUT, PARENTS, KL))
    number = one.seed * len(kinds) + kinds.index((one.held_out, one.parent, one.kl))
    blind, sureness = FAULTS[one.fault]
    toy = world(number, blind)
    if one.parent == "taught":
        toy = replace(toy, parent=improved(toy, toy.gold, TAUGHT_UPDATES, 0.05, number))
    pairs = labels(toy, round(one.held_out / SHARE), sureness, number)
    few, many = pairs[: one.held_out], pairs[one.held_out :]
    (followed, right), (other, other_right) = (
        judge(toy, mine, theirs, number) for mine, theirs in ((many, few), (few, many))
    )
    policy = improved(toy, followed, PPO["updates"], KL[one.kl], number + 1)
    seen = gain(toy, policy, followed, ANSWERS)
    held_out = gain(toy, policy, other, ANSWERS)
    gold = gain(toy, policy, toy.gold, GOLD_ANSWERS)
    figures = {**seen.figures(), "held_out": held_out.figures()}
    return {
        "accuracy": right,
        "held_out_accuracy": other_right,
        "figures": figures,
        "gold": gold.figures(),
        "processor_seconds": time.process_time() - began,
    }


# The world ----------------------------------------------------------------------------------------


def world(number: int, blind: float) -> Toy:
    """A language of eight letters, a parent and a taste, all drawn at random."""
    torch.manual_seed(number)
    chat = Chat(letter_tokenizer())
    trunk, unseen = (LlamaModel(shape(width, layers)) for width, layers in ((128, 2), (64, 3)))
    parent = LlamaForCausalLM(shape(32, 1))
    words = ["".join(letters) for letters in product(LETTERS, repeat=3)]
    random.Random(number).shuffle(words)
    prompts: list[Conversation] = [[{"role": "user", "content": word}] for word in words]
    usual = answered(chat, parent, prompts, 1, number)
    visible, invisible = (random_taste(chat, each, prompts, usual) for each in (trunk, unseen))

    def gold(asked: Sequence[Conversation], texts: Sequence[str]) -> list[float]:
        scores = zip(visible(asked, texts), invisible(asked, texts), strict=True)
        return [(1 - blind) ** 0.5 * one + blind**0.5 * other for one, other in scores]

    return Toy(chat, parent, trunk, gold, prompts[:LEARNED], prompts[LEARNED : LEARNED + TESTED])


def letter_tokenizer() -> PreTrainedTokenizerFast:
    """One token a letter; a prompt is its letters and a mark that asks for an answer."""
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *LETTERS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=LETTERS[0]))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.decoder = decoders.Fuse()
    pad, end, ask = SPECIAL
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=pad,
        eos_token=end,
        additional_special_tokens=[ask],
        chat_template="{% for m in messages %}{{ m['content'] }}{% endfor %}" + ask,
    )


def shape(width: int, layers: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(SPECIAL) + len(LETTERS),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        initializer_range=0.3,  # so that letters differ without any training
    )


def random_taste(
    chat: Chat, trunk: LlamaModel, prompts: Sequence[Conversation], usual: Sequence[str]
) -> Score:
    """A head that nobody trained; its scores of usual answers have mean 0 and spread 1."""
    model = RewardModel(trunk, chat.padding)
    raw = Scorer(model, chat, card(chat, 0.0, 1.0)).score(prompts, usual)
    return Scorer(model, chat, card(chat, fmean(raw), stdev(raw))).score


def card(chat: Chat, mean: float, std: float) -> Card:
    return Card(mean, std, 1.0, 64, "fp32", chat.template_hash(), chat.tokenizer_hash())


def answered(
    chat: Chat,
    model: LlamaForCausalLM,
    prompts: Sequence[Conversation],
    count: int,
    seed: int,
) -> list[str]:
    """So many answers to each prompt, those of one prompt next to each other."""
    generator = TransformersGenerator(model, chat.tokenizer)
    told = evaluation.answers_to(generator, prompts, count, PPO["max_response_tokens"], 1.0, seed)
    return [answer.text for answer in told]


# What the product does ----------------------------------------------------------------------------


def labels(toy: Toy, count: int, sureness: float, seed: int) -> list[Pair]:
    """Pairs of the parent's answers, each judged once, by people who are not always sure."""
    chance = random.Random(seed)
    prompts = [chance.choice([*toy.learned, *toy.tested]) for _ in range(count)]
    texts = answered(toy.chat, toy.parent, prompts, 2, seed)
    scores = toy.gold([prompt for prompt in prompts for _ in range(2)], texts)
    pairs = []
    for number, prompt in enumerate(prompts):
        one, other = texts[2 * number : 2 * number + 2]
        lead = scores[2 * number] - scores[2 * number + 1]
        if chance.random() > expit(sureness * lead):
            one, other = other, one
        pairs.append(Pair(number, "train", prompt, one, other))
    return pairs


def judge(
    toy: Toy, learned: Sequence[Pair], measured: Sequence[Pair], seed: int
) -> tuple[Score, float]:
    """A reward model of some labels, and how often it agrees with others."""
    config = replace(REWARD, seed=seed)
    torch.manual_seed(seed)
    model = RewardModel(toy.trunk, toy.chat.padding)
    mine, theirs = (fit(part, toy.chat, config.max_length).examples for part in (learned, measured))
    learner = RewardLearner(config, model, mine)
    for _ in training.train(config, learner, mine, []):
        pass
    scores = training.score(learner, theirs, config)  # (n, 2)
    own = card(toy.chat, scores.mean().item(), scores.std().item())
    return Scorer(model, toy.chat, own).score, training.accuracy(scores)


def improved(toy: Toy, score: Score, updates: int, kl_coef: float, seed: int) -> LlamaForCausalLM:
    """What PPO makes of the parent, which stays as it is."""
    config = PPOTraining(**{**PPO, "updates": updates}, kl_coef=kl_coef, seed=seed)
    model = LlamaForCausalLM(toy.parent.config)
    model.load_state_dict(toy.parent.state_dict())
    policy = Policy(model, config.tuning, config.lora_rank, config.temperature, seed, "fp32")
    generator = TransformersGenerator(policy.causal_lm, toy.chat.tokenizer)
    world = World(toy.chat.tokenizer, generator, score, toy.learned)
    for _ in train(config, Learner(config, policy), world):
        pass
    return policy.causal_lm


def gain(toy: Toy, policy: LlamaForCausalLM, score: Score, answers: int) -> evaluation.Gain:
    """What a scorer says of a policy beside its parent, on prompts it did not learn from."""
    longest = PPO["max_response_tokens"]
    before, after = (
        evaluation.scored(
            toy.tested,
            evaluation.answers_to(
                TransformersGenerator(model, toy.chat.tokenizer),
                toy.tested,
                answers,
                longest,
                1.0,
                seed=0,
            ),
            score,
        )
        for model in (toy.parent, policy)
    )
    return evaluation.gain(before, after)


# The tables ---------------------------------------------------------------------------------------


def finished(file: Path) -> dict[Run, dict[str, Any]]:
    """The runs that are there."""
    if not file.exists():
        return {}
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {Run(*(row[name] for name in Run.__dataclass_fields__)): row for row in rows}


def promised(row: dict[str, Any]) -> bool:
    """Whether the model followed sees a sure gain; only then an alarm can ring."""
    figures = row["figures"]
    return figures["reward_gain"] > SURELY * figures["reward_gain_se"]


def kept(row: dict[str, Any]) -> bool:
    """Whether the gold scorer sees a sure gain."""
    return row["gold"]["reward_gain"] > SURELY * row["gold"]["reward_gain_se"]


def rings(row: dict[str, Any]) -> bool:
    """The product's rule."""
    return only_followed_gains(row["figures"])


def rings_by_a_judge(row: dict[str, Any]) -> bool:
    """The same, but for held-out models whose accuracy is not surely above that of a coin.

    It is measured on the pairs that the other model learned.
    """
    pairs = round(row["held_out"] / SHARE) - row["held_out"]
    found = share(round(row["held_out_accuracy"] * pairs), pairs)
    return found is not None and found.low > 0.5 and rings(row)


def at_most(errors: float) -> Rule:
    """Where the held-out model's gain is at most so many of its standard errors."""

    def followed(row: dict[str, Any]) -> bool:
        other = row["figures"]["held_out"]
        return other["reward_gain"] <= errors * other["reward_gain_se"]

    return followed


def below_half(row: dict[str, Any]) -> bool:
    """Where the held-out model sees less than half of what the other one sees, for sure."""
    gain, other = row["figures"], row["figures"]["held_out"]
    most = other["reward_gain"] + SURELY * other["reward_gain_se"]
    return most < gain["reward_gain"] / 2


# What else one might do with what the held-out model says.
RULES: dict[str, Rule] = {
    "as it is": rings,
    "as it is, by a model surely better than a coin": rings_by_a_judge,
    "no gain at all": at_most(0),
    "a loss above one error": at_most(-1),
    "surely below half of the promise": below_half,
}


def rung(rows: Sequence[dict[str, Any]], rule: Rule) -> str:
    """In how many of some runs a rule rings, with its interval."""
    found = share(sum(map(rule, rows)), len(rows))
    if found is None:
        return "–"
    count = round(found.value * found.trials)
    return f"{count} of {found.trials}: {found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def show(rows: list[dict[str, Any]]) -> None:
    """Whether runs gain what they promise, how the alarm does, and how other rules would."""
    print(
        "\n| fault | parent | KL | runs | accuracy, the held-out model's "
        "| gain by the model followed, the other, gold | promised | kept of these | gold fell |\n"
        + "| --- " * 9
        + "|"
    )
    for fault, parent, kl in product(FAULTS, PARENTS, KL):
        kind = (fault, parent, kl)
        if its := [row for row in rows if (row["fault"], row["parent"], row["kl"]) == kind]:
            print(f"| {fault} | {parent} | {kl} | {len(its)} {in_short(its)}")

    sure = [row for row in rows if promised(row)]
    print("\n| fault | held-out labels | rule | rings without a gain | rings beside a gain |")
    print("| --- " * 5 + "|")
    for fault in FAULTS:
        its = [row for row in sure if row["fault"] == fault]
        print(f"| {fault} | all | as it is {both(its, rings)}")
    for held_out in HELD_OUT:
        its = [row for row in sure if row["held_out"] == held_out]
        print(f"| all | {held_out} | as it is {both(its, rings)}")
    for name, rule in RULES.items():
        print(f"| all | all | {name} {both(sure, rule)}")
    seconds = [row["processor_seconds"] for row in rows]
    print(f"\n{len(rows)} runs, {sum(seconds) / 60:.0f} minutes of one processor in all.")


def in_short(rows: Sequence[dict[str, Any]]) -> str:
    """Means over runs of one kind, and how many promised a gain, kept it, and fell."""
    right = [fmean(row[name] for row in rows) for name in ("accuracy", "held_out_accuracy")]
    said = [[row["figures"], row["figures"]["held_out"], row["gold"]] for row in rows]
    means = [fmean(gain["reward_gain"] for gain in each) for each in zip(*said, strict=True)]
    sure = [row for row in rows if promised(row)]
    fell = sum(r["gold"]["reward_gain"] < -SURELY * r["gold"]["reward_gain_se"] for r in rows)
    told = ", ".join(f"{mean:.2f}" for mean in means)
    return (
        f"| {right[0]:.2f}, {right[1]:.2f} | {told} | {len(sure)} | {sum(map(kept, sure))} "
        f"| {fell} |"
    )


def both(rows: Sequence[dict[str, Any]], rule: Rule) -> str:
    """How often a rule rings where gold did not gain, and where it did."""
    bad, good = [r for r in rows if not kept(r)], [r for r in rows if kept(r)]
    return f"| {rung(bad, rule)} | {rung(good, rule)} |"


if __name__ == "__main__":
    main()
