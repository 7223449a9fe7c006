from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from rlhf.services.demo import seed_demo


class Command(BaseCommand):
    help = "Make the demo's accounts, policy and campaign, and ask for its pairs. Once only."

    def handle(self, **options: Any) -> None:
        if not settings.DEMO:
            self.stdout.write("No demo: DEMO is off.")
        elif seed_demo():
            self.stdout.write("The demo is there; vLLM writes its pairs as soon as it is up.")
        else:
            self.stdout.write("There is data already; the demo was not made again.")
