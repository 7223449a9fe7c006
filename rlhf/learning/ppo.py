"""Proximal policy optimisation of a language model against a score of whole answers."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rlhf.generation.protocol import Generated
from rlhf.learning.clock import Clock
from rlhf.learning.learner import Learner
from rlhf.learning.losses import explained_variance
from rlhf.learning.measures import Movement, average, check_nothing_moved, looks_of
from rlhf.learning.minibatches import minibatches
from rlhf.learning.objectives import lesson_of, losses
from rlhf.learning.pretraining import Reminder
from rlhf.learning.rollouts import (
    Conversation,
    Lesson,
    PolicyGenerator,
    Rollout,
    Score,
    freeze,
    generate,
    passes_of,
    prompts_for,
    seeds_for,
)
from rlhf.learning.scores import Pay, adjusted_scores
from rlhf.learning.settings import PPOTraining
from rlhf.learning.stopping import reason_to_end


@dataclass(frozen=True)
class World:
    """What a policy meets while it is trained."""

    tokenizer: PreTrainedTokenizerBase  # of the policy
    generator: PolicyGenerator  # answers with the policy's weights as of its last `sync`
    score: Score  # how much people would like an answer
    prompts: Sequence[Conversation]  # every one is used before any is used again
    reminder: Reminder | None = None  # texts whose likelihood is kept up


def train(config: PPOTraining, learner: Learner, world: World) -> Iterator[dict[str, float]]:
    """Improve a policy and tell after every update.

    When an update is told, the generator answers with the new weights and the learner can be
    saved. A learner that was loaded goes on where it was. It ends before its last update where
    going on would do harm: `learner.ended` says why.

    Yields:
        Metrics; probabilities in nats, times in seconds.

    Source: Schulman et al. 2017 (arXiv:1707.06347); Ziegler et al. 2019 (arXiv:1909.08593).
    """
    world.generator.sync(learner.policy)
    for update in range(learner.update, config.updates):
        if learner.ended:
            return
        clock = Clock()
        learner.set_rate(update)

        # 1. sample, and freeze what the old policy and its critic thought
        with learner.layout.whole():
            seen = sample(config, learner, world, update, clock)
        scores = paid_scores(config, learner, seen)  # (B,)
        kl_coef = learner.price.coefficient
        lesson, rewards = lesson_of(config, seen, scores, kl_coef)

        # 2. several passes of small steps, each held near the old policy
        with ahead(config, learner, world, update), clock.phase("train"):
            steps = learn(config, learner, world, lesson, update)

        # 3. hand the new weights to the engine, and tell
        with clock.phase("sync"):
            world.generator.sync(learner.policy)
        learner.price = learner.price.after(seen.log_ratio.sum(1).mean().item(), len(scores))
        learner.update = update + 1
        learner.first_length = learner.first_length or seen.mask.sum(1).float().mean().item()
        foreseen = explained_variance(seen.values, lesson.returns, seen.critic_mask)
        looks = looks_of(seen)
        learner.ended = reason_to_end(config, looks, learner.first_length)
        yield {
            "step": update + 1,
            "steps": config.updates,
            **looks,
            "reward": rewards.sum(1).mean().item(),
            "kl_coef": kl_coef,
            **({"explained_variance": foreseen.item()} if config.has_critic else {}),
            **average(steps),
            "ratio_first": steps[0]["ratio"],
            "optimizer_steps": len(steps),
            "skipped": learner.skipped,
            **(seconds := clock.seconds()),
            "tokens_per_second": seen.mask.sum().item() / seconds["seconds_rollout"],
        }


def learn(
    config: PPOTraining, learner: Learner, world: World, lesson: Lesson, update: int
) -> list[dict[str, float]]:
    """All steps of an update; tells what each did."""
    layout, steps = learner.layout, list[dict[str, float]]()
    for rows in minibatches(config, update):
        tokens = lesson.mask[rows].sum().item()
        asked = lesson.critic_mask[rows].sum().item()
        movement = Movement(config.clip, config.clip_high)
        passes = passes_of(config, learner.crew, rows, lesson.texts)
        idle = layout.idle_passes(len(passes))
        for some in passes:
            part = lesson.rows(some)
            now = lesson.live if lesson.live and not steps else layout(part.texts)
            cost = losses(config, now, part, tokens, asked, len(rows))
            layout.backward(cost.actor + config.value_coef * cost.critic)
            movement.add(now.logprobs.detach(), part, cost.actor.item(), cost.critic.item())
        keep_pace(config, learner, lesson.rows(rows[: config.answers_per_prompt]), idle)
        step = movement.told(learner.crew)
        if not steps:
            check_nothing_moved(step)
        if config.stop_kl and step["approx_kl"] > config.stop_kl:
            learner.optimizer.zero_grad()
            break  # far enough from the policy that was sampled: its answers mislead now
        if world.reminder:
            world.reminder.backward(learner.policy, update, len(steps))
        steps.append({**step, "grad_norm": learner.descend()})
    return steps


def keep_pace(config: PPOTraining, learner: Learner, part: Lesson, idle: int) -> None:
    """Make so many passes that teach nothing, while other processes have some that do.

    A layer that is cut is put together by all processes for each pass of any of them.
    """
    for _ in range(idle):
        cost = losses(config, learner.layout(part.texts), part, 1.0, 1.0, len(part.scores))
        learner.layout.backward(0.0 * (cost.actor + config.value_coef * cost.critic))


def sample(
    config: PPOTraining, learner: Learner, world: World, update: int, clock: Clock
) -> Rollout:
    """The answers of one update and everyone's opinion of them.

    Raises:
        ValueError: a score is not a finite number.
    """
    crew, count, together = learner.crew, config.batch_size, config.answers_per_prompt
    conversations = asked(config, world, update)
    with clock.phase("rollout"):
        answers = learner.pending or crew.gather(
            count, together, sampler(config, learner, world, update)
        )
        learner.pending = []
    with clock.phase("score"):
        scores = crew.gather(
            count,
            together,
            lambda mine: list(
                world.score([conversations[i] for i in mine], [answers[i].text for i in mine])
            ),
        )
    if not all(map(isfinite, scores)):
        raise ValueError("The scorer's answer is not a finite number; check the reward model.")
    with clock.phase("freeze"):
        return freeze(config, learner.policy, world.tokenizer, conversations, answers, scores, crew)


def asked(config: PPOTraining, world: World, update: int) -> list[Conversation]:
    """What is to be answered in one update, (B,); answers to one prompt next to each other."""
    together = config.answers_per_prompt
    chosen = prompts_for(config.seed, update, config.batch_size // together, len(world.prompts))
    return [world.prompts[i] for i in chosen for _ in range(together)]


def sampler(
    config: PPOTraining, learner: Learner, world: World, update: int
) -> Callable[[Sequence[int]], list[Generated]]:
    """Samples some of the answers of one update, by their numbers, when it is called."""
    conversations = asked(config, world, update)
    seeds = seeds_for(config.seed, update, config.batch_size)
    return lambda mine: generate(
        world.generator,
        [conversations[i] for i in mine],
        [seeds[i] for i in mine],
        config.max_response_tokens,
        config.temperature,
    )


@contextmanager
def ahead(config: PPOTraining, learner: Learner, world: World, update: int) -> Iterator[None]:
    """Inside the block the next update's answers are sampled beside, where that is wanted.

    They come from the engine's present weights, which are one step behind when they are learned
    from; `importance_cap` corrects for that. They are there when the block ends, so that they can
    be saved with the learner.
    """
    if not config.one_step_stale or update + 1 == config.updates:
        world.generator.rest()
        yield
        return
    count, together = config.batch_size, config.answers_per_prompt
    mine = learner.crew.share(torch.arange(count), together).tolist()
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(sampler(config, learner, world, update + 1), mine)
        yield
        # Processes talk to each other in one thread only, or their words would mix.
        learner.pending = learner.crew.gather(count, together, lambda _: answers.result())


def paid_scores(config: PPOTraining, learner: Learner, seen: Rollout) -> Tensor:
    """Scores as the policy is paid, (B,)."""
    learner.scale = learner.scale.seeing(seen.scores)
    pay = Pay(
        centre=learner.scale.mean if config.centre_scores else 0.0,
        divisor=learner.scale.deviation if config.scale_scores else 1.0,
        clip=config.score_clip,
        length_penalty=config.length_penalty,
        missing_eos_penalty=config.missing_eos_penalty,
        replace_cut=config.missing_eos == "replace",
    )
    return adjusted_scores(seen.scores, seen.ended, seen.mask.sum(1), pay)
