"""Files of prompts that managers upload: kept, read in the background, stopped."""

import hashlib
import tempfile
import uuid
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling import artifacts, errors
from labeling.languages import speaking_to
from labeling.models import Act, Campaign, PromptFile, Report, User
from labeling.services import audit
from labeling.services.prompt_imports import PromptReport, Wanted, Watcher, import_prompts
from labeling.services.reports import request_report

CHUNK = 1 << 20  # bytes
Status = PromptFile.Status


def keep_upload(
    *, campaign: Campaign, file: IO[bytes], name: str, wanted: Wanted, by: User
) -> PromptFile:
    """Put an uploaded file where a worker finds it, chunk by chunk, and ask for its reading.

    Raises:
        BeingRead: the same bytes are on their way into the campaign.
    """
    digest, size = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile() as copy:
        lies = getattr(file, "temporary_file_path", None)  # Django has put a large one on the disk
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if lies is None:
                copy.write(chunk)
        copy.flush()
        path = Path(copy.name if lies is None else lies())
        url = artifacts.publish(path, f"prompts/{uuid.uuid4().hex}")
    try:
        with transaction.atomic():
            kept = PromptFile.objects.create(
                campaign=campaign,
                name=name[-200:],
                digest=digest.hexdigest(),
                size=size,
                artifact_url=url,
                prompt_field=wanted.prompt_field,
                category_field=wanted.category_field,
                split=wanted.split,
                sample_size=wanted.sample_size,
                spread=wanted.spread,
                uploaded_by=by,
            )
            kept.enqueue()
    except IntegrityError:
        artifacts.discard(url)
        raise errors.BeingRead from None
    return kept


def take_in(file: PromptFile) -> None:
    """Read a file that was claimed, to its end or to the row at fault; its bytes are not kept."""
    try:
        with speaking_to(file.uploaded_by):  # who reads what is wrong with it
            report = _read(file)
    except Stopped:
        pass
    except errors.Refused as refusal:
        _end(file, status=Status.FAILED, error=str(refusal))
    except Exception as problem:
        _end(file, status=Status.FAILED, error=f"{type(problem).__name__}: {problem}")
        raise
    else:
        counts = {"rows": report.rows, "prompts": report.prompts, "pairs": report.pairs}
        _end(file, status=Status.DONE, **counts)
        request_report(
            campaign=file.campaign, subject=Report.Subject.PROMPTS, judges="person", by=None
        )
    finally:
        artifacts.discard(file.artifact_url)


class Stopped(Exception):
    """Somebody has stopped the reading."""


class _Progress(Watcher):
    """Writes down how far the reading is, and ends it once somebody has stopped it."""

    def __init__(self, file: PromptFile) -> None:
        self.file = file

    def checked(self, rows: int) -> None:
        if not self.file.told(timezone.now(), rows_checked=rows):
            raise Stopped

    def counted(self, rows: int) -> None:
        if not self.file.told(timezone.now(), rows_checked=rows, rows=rows):
            raise Stopped

    def storing(self) -> None:
        # Only looked at: to write in the transaction that stores would make a stop wait for it.
        if not PromptFile.objects.filter(pk=self.file.pk, status=Status.RUNNING).exists():
            raise Stopped


def _read(file: PromptFile) -> PromptReport:
    wanted = Wanted(
        file.prompt_field, file.category_field, file.split, file.sample_size, file.spread
    )
    with artifacts.local_copy(file.artifact_url).open("rb") as source:
        return import_prompts(
            campaign=file.campaign,
            file=source,
            name=file.name,
            wanted=wanted,
            by=file.uploaded_by,
            watcher=_Progress(file),
        )


def _end(file: PromptFile, **values: Any) -> None:
    PromptFile.objects.filter(pk=file.pk, status=Status.RUNNING).update(
        ended_at=timezone.now(), **values
    )


@transaction.atomic
def stop(*, file: PromptFile, by: User, now: datetime) -> None:
    """End the reading of a file; none of it comes into the campaign.

    Raises:
        NothingToStop: it has ended already.
    """
    file = PromptFile.objects.select_for_update().get(pk=file.pk)
    if not file.is_active:
        raise errors.NothingToStop
    if file.status == Status.QUEUED:  # else who reads it puts its bytes away
        transaction.on_commit(lambda: artifacts.discard(file.artifact_url))
    file.status, file.ended_at = Status.STOPPED, now
    file.save(update_fields=["status", "ended_at"])
    audit.record(actor=by, act=Act.PROMPTS_STOPPED, subject=file)
