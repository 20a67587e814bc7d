"""Write a file completely or not at all."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IS_WINDOWS = os.name == "nt"
_WINDOWS_RETRY_S = 2.0


@contextmanager
def written_atomically(path: Path, suffix: str = "") -> Iterator[Path]:
    """Yield a temporary name beside ``path``; on success its content is flushed to disk and takes the name ``path``.

    When the body raises, nothing stays behind and an older file at ``path`` is untouched.

    Args:
        path: Final name.
        suffix: Ending of the temporary name, for writers that choose the format by it.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp{suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        _replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _replace(source: Path, target: Path) -> None:
    """Rename; Windows refuses while a reader or a virus scanner has the file open, so it is tried again."""
    deadline = time.monotonic() + _WINDOWS_RETRY_S
    while True:
        try:
            source.replace(target)
        except PermissionError:
            if not _IS_WINDOWS or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
