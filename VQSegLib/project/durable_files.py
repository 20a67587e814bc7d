"""Making files and folders of a project last: flushed, renamed in one step, recognised by their hash."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from VQSegLib.atomic_files import written_atomically

_WINDOWS_RETRY_SECONDS = 2.0


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` (UTF-8) in one step, flushed to disk."""
    with written_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    sync_folder(path.parent)


def rename_folder(source: Path, target: Path) -> None:
    """Rename a finished folder to its final name, which must be free, in one step.

    Windows refuses a rename while a virus scanner has one of its files open, so it is tried again for two seconds.
    """
    deadline = time.monotonic() + _WINDOWS_RETRY_SECONDS
    while True:
        try:
            source.rename(target)
        except PermissionError:
            if os.name != "nt" or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            sync_folder(target.parent)
            return


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
