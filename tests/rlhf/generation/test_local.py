"""Sampling by transformers: ancestral, seeded by the answer, and told with its probabilities."""

import pytest
import torch

from rlhf.generation.local import TransformersGenerator
from rlhf.generation.protocol import Sampling
from tests.rlhf.learning.letters import PROMPTS, letter_policy, letter_tokenizer

LETTERS = [PROMPTS[0], [{"role": "user", "content": "bcd"}]]


@pytest.fixture(scope="module")
def generator() -> TransformersGenerator:
    return TransformersGenerator(letter_policy().causal_lm, letter_tokenizer())


def test_an_answer_depends_on_its_seed_and_prompt_and_not_on_its_neighbours(generator):
    alone = [generator.generate([c], [Sampling(seed=7, max_tokens=6)])[0] for c in LETTERS]
    together = generator.generate(LETTERS, [Sampling(seed=7, max_tokens=6)] * 2)
    assert [one.token_ids for one in alone] == [one.token_ids for one in together]


def test_another_seed_gives_another_answer(generator):
    answers = generator.generate(
        [PROMPTS[0]] * 8, [Sampling(seed=seed, max_tokens=6) for seed in range(8)]
    )
    assert len({answer.token_ids for answer in answers}) > 4


def test_an_answer_ends_with_the_end_token_or_at_its_limit(generator):
    limits = [3, 6] * 20
    answers = generator.generate(
        [PROMPTS[0]] * 40, [Sampling(seed=i, max_tokens=limit) for i, limit in enumerate(limits)]
    )
    for answer, limit in zip(answers, limits, strict=True):
        ended = answer.token_ids[-1] == 1
        assert answer.finish_reason == ("stop" if ended else "length")
        assert answer.token_count == len(answer.token_ids) == len(answer.logprobs)
        assert ended or answer.token_count == limit
        assert 1 not in answer.token_ids[:-1]


def test_the_text_is_what_people_read_without_the_end(generator):
    answers = generator.generate([PROMPTS[0]] * 20, [Sampling(seed=i) for i in range(20)])
    assert all("<end>" not in answer.text for answer in answers)


def test_tokens_are_drawn_as_often_as_they_are_likely(generator):
    count = 4000
    answers = generator.generate(
        [PROMPTS[0]] * count, [Sampling(seed=i, max_tokens=1) for i in range(count)]
    )
    tokens = torch.tensor([answer.token_ids[0] for answer in answers])
    share = torch.bincount(tokens, minlength=7) / count
    told = {answer.token_ids[0]: answer.logprobs[0] for answer in answers}
    for token, logprob in told.items():
        assert share[token].item() == pytest.approx(torch.tensor(logprob).exp().item(), abs=0.03)


@pytest.mark.parametrize("sampling", [Sampling(top_p=0.9), Sampling(temperature=0.0)])
def test_anything_but_ancestral_sampling_is_refused(generator, sampling):
    with pytest.raises(ValueError, match="ancestral"):
        generator.generate([PROMPTS[0]], [sampling])


def test_settings_of_sampling_that_make_no_sense_are_refused():
    for settings in ({"temperature": -1}, {"top_p": 0}, {"max_tokens": 0}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            Sampling(**settings)
