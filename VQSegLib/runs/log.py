"""The end of what the process of a run wrote about itself."""

from __future__ import annotations

import os
from pathlib import Path

from VQSegLib.errors import ProjectError

_MOST_BYTES = 64 * 1024


def read_last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log, at most ``count`` and at most 64 KiB; none where there is no log yet.

    Raises:
        ProjectError: The log cannot be read.
    """
    try:
        with log.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - _MOST_BYTES)
            file.seek(start)
            lines = file.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as exc:
        msg = f"'{log}' cannot be read ({exc.strerror}); check the permissions of the project folder."
        raise ProjectError(msg) from exc
    return lines[1 if start else 0 :][-count:]
