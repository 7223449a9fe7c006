"""Files that outlive a process (snapshots, checkpoints): in a folder or, by fsspec, elsewhere."""

import hashlib
import os
import shutil
import uuid
from pathlib import Path

import fsspec
from django.conf import settings
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem


def address(name: str) -> str:
    """Where the artifact with this name lies, such as "snapshots/ab12.jsonl"."""
    return f"{settings.ARTIFACTS_URL.rstrip('/')}/{name}"


def publish(source: Path, name: str) -> str:
    """Copy a file or folder to the store and return its address. A name is written once.

    A reader never finds half an artifact: in a folder it appears by a rename, in an object
    store each object appears whole and a checkpoint's address is only recorded afterwards.
    """
    url = address(name)
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        if not os.path.exists(path):
            _publish_here(source, path)
    elif source.is_dir():
        # Put again even where some of it is: an object store keeps what came before a kill.
        filesystem.put(f"{source}/", path, recursive=True)
    elif not filesystem.exists(path):
        filesystem.put(str(source), path)
    return url


def _publish_here(source: Path, path: str) -> None:
    """Copy into a folder of this machine; what could not be copied whole leaves nothing."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    unfinished = f"{path}.{uuid.uuid4().hex}.part"
    try:
        if source.is_dir():
            shutil.copytree(source, unfinished)
        else:
            shutil.copy2(source, unfinished)
        os.replace(unfinished, path)
    finally:
        _remove(Path(unfinished))


def local_copy(url: str) -> Path:
    """A folder or file on this machine with the artifact's content, fetched once if it is remote.

    Raises:
        FileNotFoundError: nothing lies at the address.
    """
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        if not os.path.exists(path):
            raise FileNotFoundError(f"The artifact {url} does not exist.")
        return Path(path)
    cached = Path(settings.VAR) / "cache" / hashlib.sha256(url.encode()).hexdigest()[:32]
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        unfinished = cached.with_name(f"{cached.name}.{uuid.uuid4().hex}.part")
        try:
            filesystem.get(path, str(unfinished), recursive=filesystem.isdir(path))
            os.replace(unfinished, cached)
        except OSError:
            if not cached.exists():  # else another process fetched it at the same time
                raise
        finally:
            _remove(unfinished)
    return cached


def _remove(path: Path) -> None:
    """Delete a half-filled file or folder, if there is one."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def weights(checkpoint: str) -> str:
    """What a program loads a model from: a folder on this machine, or a hub name as it is."""
    if "://" in checkpoint or os.path.isabs(checkpoint):
        return str(local_copy(checkpoint))
    return checkpoint


def discard(url: str) -> None:
    """Delete an artifact's file that nobody needs any more; one that is gone is no error."""
    filesystem, path = url_to_fs(url)
    if filesystem.exists(path):
        filesystem.rm(path)


def open_artifact(url: str) -> fsspec.core.OpenFile:
    return fsspec.open(url, "rb")


def copy_once(url: str, target: Path) -> None:
    """Bring an artifact's file to a place, whole or not at all; a file that is there stays."""
    if target.exists():
        return
    unfinished = target.with_name(target.name + ".part")
    with open_artifact(url) as source, unfinished.open("wb") as file:
        shutil.copyfileobj(source, file)
    unfinished.rename(target)
