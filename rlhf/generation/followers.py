"""vLLM servers that follow a policy in training: its adapter is loaded again after every change.

A server has to be started for it: `--enable-lora`, `--max-lora-rank` of the policy's rank at least,
`--logprobs-mode processed_logprobs`, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 in its environment. It
reads the adapter from a folder, so both see the same file system. docs/scaling.md has the command.
"""

import shutil
import threading
import weakref
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rlhf.generation.guard import Guard, Trained
from rlhf.generation.persistence import ServerDown, answered, delays_within
from rlhf.generation.prompts import decode, encode
from rlhf.generation.protocol import Generated, Message, Sampling
from rlhf.generation.server import IN_FLIGHT, TIMEOUT

GUARDED = 8  # tokens at the end of each fixed text that are compared, a request each
PATIENCE = 600.0  # seconds that a server may be away: to be started again it needs minutes
LEAVING = 5.0  # seconds that a server gets to forget the adapter of a run that ends

# A server takes what a request leaves out from the model's generation_config.json.
ANCESTRAL = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}


class Followers:
    """vLLM servers that answer with a policy's adapter as it was at the last `sync`."""

    def __init__(
        self,
        urls: Sequence[str],
        model: Path,
        max_tokens: int,
        folder: Path,
        *,
        api_key: str = "",
        patience: float = PATIENCE,
    ) -> None:
        """Find the servers.

        Args:
            urls: base addresses, which end in /v1; answers are shared out among them.
            model: a Hugging Face folder with the tokenizer of the model that they serve.
            max_tokens: longest prompt and answer together.
            folder: in which adapters are handed over, and nothing else is kept; the servers read it
                under the same path.
            api_key: of the servers, where they ask for one.
            patience: seconds in which a server that went away may come back.

        Raises:
            ServerDown: one does not answer.
            ValueError: one serves a shorter context.
        """
        self.urls = [url.rstrip("/") for url in urls]
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model)
        self.folder = folder.absolute()
        self.patience = patience
        # Runs may share a server; one that goes on after a kill finds its adapter there.
        self.name = f"in-training-{sha256(str(self.folder).encode()).hexdigest()[:12]}"
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        connections = httpx.Limits(max_connections=IN_FLIGHT * len(self.urls))
        self._client = httpx.Client(timeout=TIMEOUT, headers=headers, limits=connections)
        self._guard = Guard(self.tokenizer, max_tokens, last=GUARDED)
        self._adapter: Path | None = None
        self._lost = threading.Lock()
        for url in self.urls:
            self._check_context(url, max_tokens)
        self._leave = weakref.finalize(self, _forget, self.urls, self.name, headers, self.folder)

    def generate(
        self, conversations: Sequence[list[Message]], sampling: Sequence[Sampling]
    ) -> list[Generated]:
        """Answer each conversation once; log-probabilities are of the distribution sampled from.

        Raises:
            ServerDown: a server stayed away for longer than `patience`.
            WeightsDiffer: one came back with another model.
        """
        workers = IN_FLIGHT * len(self.urls)
        with ThreadPoolExecutor(workers, thread_name_prefix="vllm") as pool:
            answers = [
                pool.submit(self._answer, self.urls[number % len(self.urls)], messages, how)
                for number, (messages, how) in enumerate(zip(conversations, sampling, strict=True))
            ]
            try:
                return [answer.result() for answer in answers]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def rest(self) -> None:
        """Servers take none of this machine's memory that a policy could use."""

    def sync(self, policy: Trained) -> None:
        """Answer with the policy's present adapter from now on.

        Raises:
            WeightsDiffer: a server did not become the policy.
            ServerDown: one stayed away for longer than `patience`.
            ValueError: one can't load the adapter, or tells probabilities before the temperature.
        """
        self._guard.expect(policy)
        first, self._adapter = self._adapter is None, self._written(policy)
        for url in self.urls:
            self._load(url)
            self.guard(url)
            if first:
                self._check_probabilities_are_processed(url)
        for older in set(self.folder.iterdir()) - {self._adapter}:
            shutil.rmtree(older)

    def guard(self, url: str) -> float:
        """Compare a server with the policy of the last sync; the mean difference in nats a token.

        Raises:
            WeightsDiffer: they differ by more than rounding.
        """
        return self._guard.check(partial(self._last_logprobs, url))

    def _written(self, policy: Trained) -> Path:
        """The adapter in a folder of its own: vLLM keeps what it computed under an old path."""
        folder = self.folder / uuid4().hex
        folder.mkdir(parents=True)
        policy.save_adapter(folder)
        return folder

    def _load(self, url: str) -> None:
        """Put the present adapter in the place of the one before.

        Without `load_inplace` vLLM keeps the adapter that it has under this name.
        """
        adapter = {"lora_name": self.name, "lora_path": str(self._adapter), "load_inplace": True}
        response = self._post(url, "load_lora_adapter", adapter, refusals=[500])
        if response.status_code != 200:
            raise ValueError(
                f"The vLLM server at {url} can't load the policy's adapter "
                f"({response.status_code}: {_reason(response)}); start it with --enable-lora, "
                "--max-lora-rank and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, where it can read "
                f"{self.folder}."
            )

    def _answer(self, url: str, messages: list[Message], how: Sampling) -> Generated:
        choice = self._completion(
            url,
            prompt=encode(self.tokenizer, messages),
            max_tokens=how.max_tokens,
            seed=how.seed,
            logprobs=0,  # of the sampled token only
            return_token_ids=True,
            **ANCESTRAL | {"temperature": how.temperature, "top_p": how.top_p},
        )
        tokens = tuple(choice["token_ids"])
        return Generated(
            text=decode(self.tokenizer, tokens),
            token_ids=tokens,
            token_count=len(tokens),
            finish_reason=choice["finish_reason"] or "length",
            logprobs=tuple(choice["logprobs"]["token_logprobs"]),
        )

    def _last_logprobs(self, url: str, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability of the last GUARDED tokens of each sequence, at temperature 1.

        Each is asked for by itself, as the probability of what could come next: where adapters are
        loaded, vLLM 0.32 dies on a CPU of one that asks for those of its prompt beside others.
        """
        asked = [(ids[:-n], ids[-n]) for ids in sequences for n in range(GUARDED, 0, -1)]
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="guard") as pool:
            told = list(pool.map(lambda one: self._next_logprob(url, *one), asked))
        return [told[start : start + GUARDED] for start in range(0, len(told), GUARDED)]

    def _next_logprob(self, url: str, before: Sequence[int], token: int) -> float:
        choice = self._completion(
            url,
            prompt=list(before),
            max_tokens=1,
            temperature=1.0,
            logprobs=1,
            logprob_token_ids=[token],
            return_tokens_as_token_ids=True,
            **ANCESTRAL,
        )
        return choice["logprobs"]["top_logprobs"][0][f"token_id:{token}"]

    def _completion(self, url: str, **asked: Any) -> dict[str, Any]:
        """What the server makes of a prompt; a server that lost the adapter is given it again."""
        request = {"model": self.name, **asked}
        response = self._post(url, "completions", request)
        if response.status_code == 404:
            self._give_back_adapter(url)
            response = self._post(url, "completions", request)
        if response.status_code != 200:
            raise ServerDown(
                f"The vLLM server at {url} answered {response.status_code}: {_reason(response)}"
            )
        return response.json()["choices"][0]

    def _give_back_adapter(self, url: str) -> None:
        """Load the adapter into a server that was started again, and compare it as after a sync."""
        with self._lost:
            if self.name in {model["id"] for model in self._models(url)}:
                return  # another thread was here first
            self._load(url)
        self.guard(url)

    def _check_context(self, url: str, max_tokens: int) -> None:
        context = self._models(url)[0].get("max_model_len") or max_tokens
        if context < max_tokens:
            raise ValueError(
                f"The vLLM server at {url} serves {context} tokens, and prompt and answer have up "
                f"to {max_tokens}: start it with --max-model-len {max_tokens} or more."
            )

    def _check_probabilities_are_processed(self, url: str) -> None:
        """See that a lower temperature shows in what the server says of the likeliest token."""
        ask = partial(
            self._completion, url, prompt=self._guard.sequences[0], max_tokens=1, logprobs=1
        )
        plain, sharpened = (
            max(ask(temperature=heat, **ANCESTRAL)["logprobs"]["top_logprobs"][0].values())
            for heat in (1.0, 0.5)
        )
        if plain == sharpened and plain < 0:
            raise ValueError(
                f"The vLLM server at {url} tells probabilities from before the temperature, which "
                "PPO can't use: start it with --logprobs-mode processed_logprobs."
            )

    def _models(self, url: str) -> list[dict[str, Any]]:
        response = answered(
            lambda _: self._client.get(f"{url}/models"), delays_within(self.patience)
        )
        if response.status_code != 200:
            raise ServerDown(
                f"The vLLM server at {url} answered {response.status_code} (check VLLM_API_KEY)."
            )
        return response.json()["data"]

    def _post(
        self, url: str, what: str, body: dict[str, Any], refusals: Collection[int] = ()
    ) -> httpx.Response:
        """The server's response, waited for while it is away; `refusals` are not asked again."""
        return answered(
            lambda _: self._client.post(f"{url}/{what}", json=body),
            delays_within(self.patience),
            lambda response: response.status_code in refusals,
        )


def _forget(urls: list[str], name: str, headers: dict[str, str], folder: Path) -> None:
    """Let the servers be what they were before the run."""
    for url in urls:
        try:
            body = {"lora_name": name}
            httpx.post(f"{url}/unload_lora_adapter", json=body, headers=headers, timeout=LEAVING)
        except httpx.HTTPError:
            pass  # a server that is gone has forgotten it
    shutil.rmtree(folder, ignore_errors=True)


def _reason(response: httpx.Response) -> str:
    """The server's own sentence, without its full stop."""
    try:
        return str(response.json()["error"]["message"]).strip().rstrip(".")[:300]
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
