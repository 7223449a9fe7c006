import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from labeling import artifacts, errors
from labeling.models import Act, User
from labeling.services import audit
from labeling.services.imports import all_or_nothing
from rewardmodel.following import ALLOCATOR
from rewardmodel.models import RewardModel, Suite, SuiteResult
from rewardmodel.suite_files import read_suite


def import_suite(*, file: IO[bytes], name: str, by: User | None) -> Suite:
    """Take in a test suite: all of it, or nothing.

    Raises:
        BadRow: with the number of the row; nothing was imported.
        SuiteImported: its name is taken, or the same pairs have another one.
    """
    with all_or_nothing():
        rows = read_suite(file)
    if not rows:
        raise errors.BadRow(_("The file holds no usable pair. Nothing was imported."))
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return _keep(name, text, len(rows), by)


def _keep(name: str, text: str, pairs: int, by: User | None) -> Suite:
    """Record a suite, then write its file: a name that is taken leaves no file behind."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    place = f"suites/{digest}.jsonl"
    try:
        with transaction.atomic(), tempfile.TemporaryDirectory() as folder:
            suite = Suite.objects.create(
                name=name,
                digest=digest,
                artifact_url=artifacts.address(place),
                pairs=pairs,
                imported_by=by,
            )
            audit.record(
                actor=by,
                act=Act.SUITE_IMPORTED,
                subject=suite,
                details={"digest": digest, "pairs": pairs},
            )
            path = Path(folder) / "rows.jsonl"
            path.write_text(text, encoding="utf-8")
            artifacts.publish(path, place)
    except IntegrityError:
        raise errors.SuiteImported from None
    return suite


def for_program() -> list[dict[str, Any]]:
    """The suites, for a program to measure with; those whose file is gone are left out."""
    found = []
    for suite in Suite.objects.all():
        try:
            file = artifacts.local_copy(suite.artifact_url)
        except FileNotFoundError:
            continue
        found.append({"suite": suite.pk, "name": suite.name, "file": str(file)})
    return found


def record_results(run: RewardModel, measured: list[dict[str, Any]]) -> None:
    """Keep what a program measured on suites; a suite is measured once."""
    known = set(Suite.objects.values_list("pk", flat=True))
    SuiteResult.objects.bulk_create(
        (
            SuiteResult(
                suite_id=each["suite"],
                reward_model=run,
                figures={key: each[key] for key in ("accuracy", "low", "high", "pairs", "subsets")},
            )
            for each in measured
            if each["suite"] in known
        ),
        ignore_conflicts=True,
    )


def measure(*, run: RewardModel, suite: Suite) -> None:
    """Measure a finished model on a suite that is newer than it, in a process of its own.

    Raises:
        NotReady: the model or the suite can't be read; with the reason.
    """
    try:
        folder, rows = (artifacts.local_copy(u) for u in (run.checkpoint, suite.artifact_url))
    except FileNotFoundError as problem:
        raise errors.NotReady(str(problem)) from None
    done = subprocess.run(
        [sys.executable, "-m", "rewardmodel.learning.suites", str(folder), str(rows)],
        env={**os.environ, **ALLOCATOR, "PYTHONPATH": str(settings.ROOT)},
        cwd=settings.ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise errors.NotReady((done.stderr.strip().splitlines() or [_("It was stopped.")])[-1])
    figures = json.loads(done.stdout.splitlines()[-1])
    record_results(run, [{"suite": suite.pk, **figures}])
