"""Keep what C++ libraries write to stderr out of the user's sight."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)
_lock = threading.Lock()


@contextmanager
def native_stderr_in_log(path: Path) -> Iterator[None]:
    """Send file descriptor 2 to the log (level debug) while the body runs, one thread at a time.

    Args:
        path: File being read or written; its name is taken out of the text, since file names may name a patient.
    """
    with _lock, tempfile.TemporaryFile() as sink:
        try:
            saved = os.dup(2)
        except OSError:  # no console at all (pythonw): nothing to redirect
            yield
            return
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            sink.seek(0)
            text = sink.read().decode(errors="replace").strip()
            if text:
                logger.debug(
                    "The image library said: %s", text.replace(str(path), "<file>").replace(path.name, "<file>")
                )
