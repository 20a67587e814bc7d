"""Writing files so that a reader, or a crash at any instant, sees the old content or the new one, never half of it."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from pathlib import Path

_WINDOWS_RETRY_SECONDS = 2.0


def write_text_atomically(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` (UTF-8): temporary name beside it, flushed to disk, renamed."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def replace(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target`` on the same file system, in one step.

    Windows refuses a rename while a reader or a virus scanner has the file open, so it is tried again for two seconds.
    """
    deadline = time.monotonic() + _WINDOWS_RETRY_SECONDS
    while True:
        try:
            source.replace(target)
        except PermissionError:
            if os.name != "nt" or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def sync_file(path: Path) -> None:
    """Flush a file that was written by someone else (an image library) to disk."""
    with path.open("r+b") as stream:
        os.fsync(stream.fileno())


def sync_folder(path: Path) -> None:
    """Flush the names inside a folder to disk, where the system can do so (Windows cannot and needs not)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
