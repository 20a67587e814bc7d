"""Temporary names that say who is writing, and which of them a killed writer left behind."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

_NAME = re.compile(r"^\.vqseg-(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-(?P<started>\d+)-[0-9a-f]{8}")
_ABANDONED_AFTER_SECONDS = 24 * 3600.0
_CLOCK_TOLERANCE_SECONDS = 2.0


def temporary_name() -> str:
    """Return a new hidden name that says which process of which machine is using it."""
    return f"{_own_prefix(os.getpid())}-{uuid.uuid4().hex[:8]}"


def find_leftovers(folder: Path) -> Iterator[Path]:
    """Yield the temporary files and folders in ``folder`` whose writer is gone.

    A writer on another machine cannot be asked, so what it left counts when it has been untouched for a day.
    """
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if entry.name.startswith(".vqseg-"))
    for name in found:
        match = _NAME.match(name)
        if match and _is_abandoned(folder / name, match):
            yield folder / name


def _is_abandoned(leftover: Path, match: re.Match[str]) -> bool:
    try:
        age_seconds = time.time() - leftover.stat().st_mtime
    except FileNotFoundError:
        return False
    if match["machine"] == machine_key():
        return not is_running(int(match["pid"]), float(match["started"]))
    return age_seconds > _ABANDONED_AFTER_SECONDS


def is_running(pid: int, started: float) -> bool:
    """Return whether that very process of this machine lives; its number may have gone to another one since."""
    try:
        process = psutil.Process(pid)
        is_same: bool = abs(process.create_time() - started) <= _CLOCK_TOLERANCE_SECONDS
        return is_same and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


@functools.cache
def _own_prefix(pid: int) -> str:
    return f".vqseg-{machine_key()}-{pid}-{round(psutil.Process(pid).create_time())}"


@functools.cache
def machine_key() -> str:
    """Return a short key of this machine that does not tell its name."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]
