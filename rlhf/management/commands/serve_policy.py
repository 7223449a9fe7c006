import os
import sys
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from labeling import artifacts
from rlhf.models import ServingSlot

LONGEST_CONTEXT = 2048  # tokens; the demo model's window is larger than its memory here should be


class Command(BaseCommand):
    help = "Become the vLLM server of one slot. Ends at once when the slot has no policy."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slot", type=int)

    def handle(self, *, slot: int, **options: Any) -> None:
        wanted = ServingSlot.objects.select_related("policy").filter(number=slot).first()
        if wanted is None:
            self.stdout.write(f"Slot {slot} has no policy to serve yet.")
            return
        address = urlsplit(settings.VLLM_BASE_URLS[slot])
        arguments = [
            *("--model", artifacts.weights(wanted.policy.checkpoint)),
            *("--served-model-name", wanted.policy.slug),
            *("--host", address.hostname or "127.0.0.1"),
            *("--port", str(address.port)),
            *("--max-model-len", str(LONGEST_CONTEXT)),
            "--enforce-eager",  # compiling takes minutes on a CPU and gains a tenth
        ]
        if settings.VLLM_API_KEY:
            os.environ["VLLM_API_KEY"] = settings.VLLM_API_KEY
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
        self.stdout.write(f"Slot {slot} serves {wanted.policy} from {wanted.policy.checkpoint}.")
        self.stdout.flush()
        program = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *arguments]
        os.execv(sys.executable, program)  # noqa: S606 (a list, no shell, our own words)
