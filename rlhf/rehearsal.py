"""One whole round on the running system with no hands: what `make loop` does.

Everything goes the way it goes in earnest: workers generate and train, simulated labelers answer
over HTTP, and only what people would decide is decided here.
"""

import os
import platform
import random
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from labeling.models import (
    Campaign,
    CampaignPolicy,
    Judgment,
    Membership,
    Policy,
    Prompt,
    User,
)
from labeling.selectors.campaigns import progress
from labeling.services.campaigns import add_members, change_status, create_campaign
from labeling.services.exports import jsonl_lines, preference_rows, write_parquet
from labeling.services.imports import import_preferences
from labeling.simulation import SimulatedLabeler, Taste
from labeling.splits import split_of
from rewardmodel.learning.rundirectory import write_json
from rewardmodel.runs import TrainingRun
from rlhf.models import PolicyRun, Round
from rlhf.selectors.generations import generation_state
from rlhf.selectors.policies import current_policy
from rlhf.selectors.rounds import duel_result
from rlhf.services import rounds
from rlhf.services.demo import demo_prompts, line_name
from rlhf.services.generations import request_responses
from rlhf.tasks import generate_pending

PATIENCE = timedelta(minutes=10)  # without any progress, before a step is given up
HELD_OUT_PROMPTS = 48
TRAINING_PROMPTS = 128
LONGEST_RESPONSE = 64  # tokens


class RehearsalFailed(Exception):
    """A step did not end well; the message says which and why."""


REPORTED = ("preferences", "pairs", "updates", "labelers", "noise", "left_bias", "seed")


@dataclass
class Rehearsal:
    """The options of one rehearsal, and what it has measured so far."""

    data: Path
    preferences: int  # taken from the file at most; reading long dialogues is what takes time
    pairs: int
    updates: int
    labelers: int
    noise: float
    left_bias: float
    seed: int
    output: Path
    tell: Callable[[str], None]
    reward_config: dict[str, Any] = field(default_factory=dict)  # settings of the two programs
    policy_config: dict[str, Any] = field(default_factory=dict)  # that are not the defaults
    steps: list[dict[str, Any]] = field(default_factory=list)
    report_path: Path = field(init=False)

    def run(self) -> dict[str, Any]:
        """Go once around the loop; returns the report, which is written as JSON too."""
        self._check_running()
        started = timezone.now()
        self.output.mkdir(parents=True, exist_ok=True)
        self.report_path = self.output / f"loop-{started:%Y%m%d-%H%M%S}.json"
        policy = self._policy()

        with self._step("import preferences") as figures:
            campaign, passwords = self._campaign(policy, started)
            figures.update(self._import(campaign))
        with self._step("generate pairs with vLLM") as figures:
            figures.update(self._generate(campaign))
        with self._step("simulated labelers answer") as figures:
            figures.update(self._label(campaign, passwords))
        with self._step("train the reward model") as figures:
            round = rounds.begin_round(campaign=campaign)
            config = {"seed": self.seed} | self.reward_config
            judge = rounds.train_judge(round=round, by=None, config=config)
            figures.update(self._finished(judge))
        with self._step("train a held-out model") as figures:
            figures.update(self._checking(round))
        with self._step("PPO") as figures:
            config = {"seed": self.seed} | self.policy_config
            config |= {"updates": self.updates} if self.updates else {}
            ppo = rounds.train_policy(round=round, by=None, config=config)
            figures.update(self._finished(ppo))
            figures.update(self._checked(ppo))
        with self._step("serve the new policy, compare it blind") as figures:
            figures.update(self._duel(round, passwords))
        with self._step("decide") as figures:
            figures.update(self._decide(round))
        with self._step("export the data set") as figures:
            figures.update(self._export(campaign))

        report = self._report(started)
        write_json(self.report_path, report)
        return report

    def _report(self, started: datetime) -> dict[str, Any]:
        return {
            "started": started.isoformat(timespec="seconds"),
            "machine": machine(),
            "data": self.data.name,
            "options": {name: getattr(self, name) for name in REPORTED},
            "judgments": "simulated labelers and imported preferences",
            "steps": self.steps,
            "seconds": round_up(sum(step["seconds"] for step in self.steps)),
        }

    @contextmanager
    def _step(self, name: str) -> Iterator[dict[str, Any]]:
        self.tell(f"{name} ...")
        began = time.monotonic()
        figures: dict[str, Any] = {}
        yield figures
        seconds = round_up(time.monotonic() - began)
        self.steps.append({"step": name, "seconds": seconds, "figures": figures})
        self.tell(f"  {seconds:.0f} s  {in_words(figures)}")

    def _check_running(self) -> None:
        try:
            httpx.get(settings.PUBLIC_URL, timeout=10)
        except httpx.TransportError:
            raise RehearsalFailed(
                f"Nothing answers at {settings.PUBLIC_URL}: start Accord with `make run` first."
            ) from None
        if not self.data.is_file():
            raise RehearsalFailed(f"{self.data} does not exist: give a JSONL file as DATA=path.")

    def _policy(self) -> Policy:
        policy = current_policy(line_name(settings.MODEL_PATH))
        if policy is None:
            raise RehearsalFailed("There is no policy yet: start Accord with `make run` first.")
        return policy

    @transaction.atomic
    def _campaign(self, policy: Policy, started: datetime) -> tuple[Campaign, dict[str, str]]:
        passwords = {
            f"simulated-{n + 1}-{started:%H%M%S%d%m%y}": secrets.token_urlsafe(12)
            for n in range(self.labelers)
        }
        labelers = [
            User.objects.create_user(name, password=password, kind=User.Kind.SIMULATION)
            for name, password in passwords.items()
        ]
        campaign = create_campaign(
            campaign=Campaign(name=f"Rehearsal {started:%Y-%m-%d %H:%M:%S}", allow_both_bad=False),
            by=None,
            entrants=[CampaignPolicy(policy=policy, responses=2, max_tokens=LONGEST_RESPONSE)],
            labelers=labelers,
        )
        for manager in User.objects.filter(username="manager"):
            add_members(campaign=campaign, users=[manager], role=Membership.Role.MANAGER)
        change_status(campaign=campaign, to=Campaign.Status.OPEN)
        return campaign, passwords

    def _import(self, campaign: Campaign) -> dict[str, Any]:
        with self.data.open("rb") as file:
            report = import_preferences(
                campaign=campaign,
                file=file,
                name=self.data.name,
                by=None,
                now=timezone.now(),
                first=self.preferences,
            )
        return {
            "preferences": report.preferences,
            "discarded": report.discarded + report.repeated,
            "not_comparable": report.not_comparable,
        }

    def _prompts(self, campaign: Campaign) -> list[Prompt]:
        """Prompts to generate for: those that came with the data, then the repository's own."""
        imported = Prompt.objects.filter(comparisons__campaign=campaign).distinct().order_by("id")
        short = [p for p in imported if sum(len(m["content"]) for m in p.messages) < 600]
        random.Random(self.seed).shuffle(short)
        return list({prompt.pk: prompt for prompt in [*short, *demo_prompts()]}.values())

    def _generate(self, campaign: Campaign) -> dict[str, Any]:
        prompts = self._prompts(campaign)
        split: dict[str, list[Prompt]] = {"train": [], "test": []}
        for prompt in prompts:
            split[split_of(prompt.digest)].append(prompt)
        # PPO learns on the campaign's prompts and is measured on held-out ones.
        campaign.prompts.add(*split["train"][:TRAINING_PROMPTS], *split["test"][:HELD_OUT_PROMPTS])
        request_responses(campaign=campaign, prompts=prompts[: self.pairs])
        generate_pending.delay()
        self._wait(lambda: generation_state(campaign).queued, "vLLM to answer", campaign)
        state, now = generation_state(campaign), progress(campaign)
        return {
            "responses": state.done,
            "pairs": now.wanted // campaign.overlap,
            "identical": now.identical,
            "empty": now.empty,
        }

    def _wait(self, left: Callable[[], int], what: str, campaign: Campaign) -> None:
        """Until nothing is left; an error when nothing moves for too long."""
        last, moved = left(), time.monotonic()
        while last:
            if time.monotonic() - moved > PATIENCE.total_seconds():
                complaint = generation_state(campaign).complaint
                raise RehearsalFailed(f"Waited too long for {what}. {complaint}")
            time.sleep(1)
            now = left()
            if now != last:
                last, moved = now, time.monotonic()

    def _label(self, campaign: Campaign, passwords: dict[str, str]) -> dict[str, Any]:
        """Every labeler works in a thread of its own, over HTTP, until no pair is left."""

        def work(number: int, name: str) -> int:
            labeler = SimulatedLabeler(
                settings.PUBLIC_URL,
                name,
                passwords[name],
                Taste(noise=self.noise, left_bias=self.left_bias),
                random.Random(f"{self.seed}-{number}"),
            )
            return labeler.label(campaign.pk)

        began = time.monotonic()
        with ThreadPoolExecutor(len(passwords)) as pool:
            answered = sum(pool.map(work, range(len(passwords)), passwords))
        return {"judgments": answered, "per_second": answered / (time.monotonic() - began)}

    def _finished(self, run: TrainingRun) -> dict[str, Any]:
        """Follow a run to its end; its main figures."""
        shown = 0
        while True:
            run.refresh_from_db()
            if not run.is_active:
                break
            if run.steps and run.step * 4 // run.steps > shown:
                shown = run.step * 4 // run.steps
                self.tell(f"  step {run.step} of {run.steps}")
            time.sleep(1)
        if run.status != TrainingRun.Status.SUCCEEDED:
            raise RehearsalFailed(f"{run} {run.status}: {run.error}")
        return {name: value for name, value in run.figures.items() if _is_number(value)}

    def _checking(self, round: Round) -> dict[str, Any]:
        """A model of the labels that the judge did not see: it checks what follows that one."""
        checking = rounds.train_checking_model(round=round, by=None)
        if checking is None:
            self.tell("  None: there are too few held-out labels.")  # PPO goes on without
            return {}
        try:
            return self._finished(checking)
        except RehearsalFailed as reason:
            self.tell(f"  None: {reason}")
            return {}

    def _checked(self, run: PolicyRun) -> dict[str, Any]:
        """What the model says that the run did not follow, under names of its own."""
        said = run.figures.get("held_out", {})
        return {f"held_out_{name}": value for name, value in said.items() if _is_number(value)}

    def _duel(self, round: Round, passwords: dict[str, str]) -> dict[str, Any]:
        round.refresh_from_db()
        duel = rounds.start_duel(round=round, by=None)
        generate_pending.delay()
        self._wait(lambda: generation_state(duel).queued, "the new policy to be served", duel)
        self._label(duel, passwords)
        round.refresh_from_db()
        result = duel_result(round)
        if result is None or result.share is None:
            raise RehearsalFailed("The blind comparison has no answers.")
        return {
            "win_rate": result.share.value,
            "low": result.share.low,
            "high": result.share.high,
            "wins": result.wins,
            "losses": result.losses,
            "ties": result.ties,
        }

    def _decide(self, round: Round) -> dict[str, Any]:
        """By the gate that decides wherever no person does."""
        promoted = rounds.decide_by_gate(round=round, now=timezone.now())
        if promoted is None:
            raise RehearsalFailed("The blind comparison still has unanswered pairs.")
        run = PolicyRun.objects.get(rounds=round)
        self.tell(f"  {Round.objects.get(pk=round.pk).reason}")
        return {"promoted": int(promoted), "version": run.policy.version if run.policy else 0}

    def _export(self, campaign: Campaign) -> dict[str, Any]:
        kinds = [Judgment.JudgeKind.PERSON, Judgment.JudgeKind.SIMULATION]
        base = self.report_path.with_suffix("")
        jsonl, parquet = base.with_suffix(".jsonl"), base.with_suffix(".parquet")
        with jsonl.open("w", encoding="utf-8") as file:
            file.writelines(jsonl_lines(preference_rows(campaign, kinds)))
        with parquet.open("wb") as binary:
            rows = write_parquet(preference_rows(campaign, kinds), binary)
        return {"rows": rows, "bytes": jsonl.stat().st_size}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def round_up(seconds: float) -> float:
    return round(seconds, 1)


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def in_words(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in figures.items())


def as_table(report: dict[str, Any]) -> str:
    """Step, seconds and key figures, in columns."""
    width = max(len(step["step"]) for step in report["steps"])
    lines = [f"{'step':<{width}}  {'seconds':>7}  key figures"]
    lines += [
        f"{step['step']:<{width}}  {step['seconds']:>7.1f}  {in_words(step['figures'])}"
        for step in report["steps"]
    ]
    lines.append(f"{'all of it':<{width}}  {report['seconds']:>7.1f}")
    return "\n".join(lines)
