import os
import sys
from importlib.metadata import distributions
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from labeling import artifacts
from rlhf.models import ServingSlot

LONGEST_CONTEXT = 2048  # tokens
NOTHING_TO_SERVE = 77  # deploy/supervisord.conf expects it; any other end is followed by a start

# On a CPU, vLLM dies of a seeded request whose prompt it reads in parts ("CPU Generator does not
# use offset"), and prompts are read in parts only to fill a batch: docs/decisions/ has the story.
WHOLE_PROMPTS = [
    "--no-enable-chunked-prefill",
    "--max-num-batched-tokens",
    str(2 * LONGEST_CONTEXT),
]


class Command(BaseCommand):
    help = "Become the vLLM server of one slot. Ends at once when the slot has no policy."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slot", type=int)

    def handle(self, *, slot: int, **options: Any) -> None:
        wanted = ServingSlot.objects.select_related("policy").filter(number=slot).first()
        if wanted is None:
            self.stdout.write(f"Slot {slot} has no policy to serve yet.")
            sys.exit(NOTHING_TO_SERVE)
        address = urlsplit(settings.VLLM_BASE_URLS[slot])
        arguments = [
            *("--model", artifacts.weights(wanted.policy.checkpoint)),
            *("--served-model-name", wanted.policy.slug),
            *("--host", address.hostname or "127.0.0.1"),
            *("--port", str(address.port)),
            *("--max-model-len", str(LONGEST_CONTEXT)),
            "--enforce-eager",  # compiling takes minutes on a CPU and gains a tenth
        ]
        if _on_cpu():
            arguments += WHOLE_PROMPTS
        if settings.VLLM_API_KEY:
            os.environ["VLLM_API_KEY"] = settings.VLLM_API_KEY
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
        self.stdout.write(f"Slot {slot} serves {wanted.policy} from {wanted.policy.checkpoint}.")
        self.stdout.flush()
        program = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *arguments]
        os.execv(sys.executable, program)  # noqa: S606 (a list, no shell, our own words)


def _on_cpu() -> bool:
    """Whether the CPU build of vLLM is installed; asking vLLM itself would take seconds."""
    return any(distribution.name.lower() == "vllm-cpu" for distribution in distributions())
