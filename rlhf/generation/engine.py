"""vLLM in this process, kept up to date with a policy in training and checked after every change.

On a CPU vLLM packs the weights of its layers into another layout. Reloading packs them again,
except those of an output layer that shares its weights with the embedding: it stays old, silently.
Here it is packed again by hand, and every reload is followed by a comparison of log-probabilities.

On a GPU it shares the memory with what is trained, so it sleeps while the policy learns.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)

from rlhf.generation.guard import Guard, Trained
from rlhf.generation.prompts import decode, encode
from rlhf.generation.protocol import Generated, Message, Sampling

if TYPE_CHECKING:
    from vllm import RequestOutput

ANSWERS_AT_ONCE = 64  # at most; more wait
BLOCK = 128  # tokens, by which vLLM's cache grows on a CPU; smaller ones on a GPU fit as well
FORGET = 2  # vLLM's level of sleep at which weights and cache leave the GPU and are lost


class VllmEngine:
    """A vLLM engine whose weights follow a policy in training."""

    def __init__(
        self,
        model: Path,
        max_tokens: int,
        dtype: torch.dtype = torch.bfloat16,
        answers: int = ANSWERS_AT_ONCE,
    ) -> None:
        """Start the engine, which takes 15 to 30 seconds on a CPU.

        Args:
            model: a Hugging Face folder; its weights are only the first ones.
            max_tokens: longest prompt and answer together.
            dtype: of the engine's weights.
            answers: that are asked for together at most; they decide how much memory is kept for
                attention to earlier tokens.
        """
        self.dtype = dtype
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model)
        self.llm = _start(model, max_tokens, dtype, min(answers, ANSWERS_AT_ONCE))
        self._guard = Guard(self.tokenizer, max_tokens)
        self._asleep = False

    def generate(
        self, conversations: Sequence[list[Message]], sampling: Sequence[Sampling]
    ) -> list[Generated]:
        """Answer each conversation once; log-probabilities are of the distribution sampled from."""
        from vllm import SamplingParams

        prompts = [
            {"prompt_token_ids": encode(self.tokenizer, messages)} for messages in conversations
        ]
        wanted = [
            SamplingParams(
                temperature=one.temperature,
                top_p=one.top_p,
                max_tokens=one.max_tokens,
                seed=one.seed,
                logprobs=0,  # of the sampled token only
                detokenize=False,
            )
            for one in sampling
        ]
        return [self._generated(o) for o in self.llm.generate(prompts, wanted, use_tqdm=False)]

    def sync(self, policy: Trained) -> None:
        """Answer with the policy's present weights from now on.

        Raises:
            WeightsDiffer: the engine did not become the policy.
        """
        self.load((name, weight.to(self.dtype)) for name, weight in policy.merged_weights())
        self.guard(policy)

    def load(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Take weights one after another, and forget what the old ones computed."""
        asleep, self._asleep = self._asleep, False
        if asleep:
            torch.cuda.empty_cache()  # what the trainer keeps for its next pass
            self.llm.wake_up(tags=["weights"])
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
        self.llm.collective_rpc(_pack_tied_output)
        if asleep:
            self.llm.wake_up(tags=["kv_cache"])
        self.llm.reset_prefix_cache()

    def rest(self) -> None:
        """Give a GPU's memory back until the next `sync`; there is nothing to give on a CPU."""
        if self.llm.model_config.enable_sleep_mode and not self._asleep:
            self.llm.sleep(level=FORGET)
            self._asleep = True

    def guard(self, policy: Trained) -> float:
        """Compare engine and trainer on fixed texts; returns the mean difference in nats.

        Raises:
            WeightsDiffer: they differ by more than rounding.
        """
        self._guard.expect(policy)
        return self._guard.check(self.sequence_logprobs)

    def difference(self, policy: Trained) -> float:
        """Mean absolute difference of log-probabilities on the fixed texts, in nats a token."""
        self._guard.expect(policy)
        return self._guard.difference(self.sequence_logprobs)

    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability of every token after the first of each sequence, at temperature 1."""
        from vllm import SamplingParams

        outputs = self.llm.generate(
            [{"prompt_token_ids": list(ids)} for ids in sequences],
            SamplingParams(max_tokens=1, prompt_logprobs=0, detokenize=False),
            use_tqdm=False,
        )
        return [
            [
                told[token].logprob
                for token, told in zip(ids[1:], o.prompt_logprobs[1:], strict=True)
            ]
            for ids, o in zip(sequences, outputs, strict=True)
        ]

    def _generated(self, output: "RequestOutput") -> Generated:
        answer = output.outputs[0]
        tokens = tuple(answer.token_ids)
        return Generated(
            text=decode(self.tokenizer, tokens),
            token_ids=tokens,
            token_count=len(tokens),
            finish_reason=answer.finish_reason or "length",
            logprobs=tuple(
                told[token].logprob for token, told in zip(tokens, answer.logprobs, strict=True)
            ),
        )


def cached_numbers(config: PretrainedConfig) -> int:
    """Keys and values that attention keeps of one token, over all layers."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size)


def cache_bytes(numbers: int, max_tokens: int, answers: int, width: int) -> int:
    """Memory in which vLLM keeps `numbers` a token of so many texts, `width` bytes a number."""
    blocks = 1 + answers * -(-max_tokens // BLOCK)  # vLLM keeps the first one empty
    return blocks * BLOCK * numbers * width


def _start(model: Path, max_tokens: int, dtype: torch.dtype, answers: int) -> Any:
    """vLLM reads these settings when it is imported, so they come first."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # the worker shares our process and memory
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # it warns of each fp32 weight it rounds
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module="vllm")
    set_num_threads: Callable[[int], None] = torch.set_num_threads
    from vllm import LLM
    from vllm.platforms import current_platform

    numbers = cached_numbers(AutoConfig.from_pretrained(model))
    cache = cache_bytes(numbers, max_tokens, answers, dtype.itemsize)
    llm = LLM(
        str(model),
        dtype=str(dtype).removeprefix("torch."),
        enforce_eager=True,  # compiling takes minutes on a CPU and gains a tenth
        max_model_len=max_tokens,
        max_num_seqs=answers,
        # Said outright: what vLLM takes by itself is a share of the machine.
        kv_cache_memory_bytes=cache,
        # A CPU engine dies of a seeded prompt that it reads in parts: docs/decisions/0003.
        enable_chunked_prefill=False,
        max_num_batched_tokens=2 * max_tokens,
        logprobs_mode="processed_logprobs",  # after the temperature: what was sampled from
        disable_log_stats=True,
        use_tqdm_on_load=False,
        **(_beside_training(cache) if current_platform.is_cuda_alike() else {}),
    )
    torch.set_num_threads = set_num_threads  # vLLM disables it, and the trainer lives here too
    return llm


def _beside_training(cache: int) -> dict[str, Any]:
    """Settings of an engine on a GPU on which a policy is already, and learns between rollouts.

    vLLM does not start where less than its share of the GPU is free, most of it by default. Its
    cache is said outright, so the share decides about nothing else.
    """
    _free, total = torch.cuda.mem_get_info()
    return {"gpu_memory_utilization": min(cache / total, 1.0), "enable_sleep_mode": True}


def _pack_tied_output(worker: Any) -> None:
    """Bring the packed copy of an output layer up to date with the embedding it shares."""
    from vllm.model_executor.layers.utils import dispatch_cpu_unquantized_gemm

    model = worker.model_runner.get_model()
    if worker.device.type == "cpu" and getattr(model.config, "tie_word_embeddings", False):
        dispatch_cpu_unquantized_gemm(model.lm_head, remove_weight=False)
