"""A child process whose output arrives line by line and which never outlives this one. Standard library only."""

from __future__ import annotations

import queue
import subprocess
import threading
from typing import Callable, List, Mapping, Optional, Sequence

TICK_SECONDS = 0.5


class Cancelled(Exception):
    """The work was called off."""


def runChild(
    command: Sequence[str],
    environment: Mapping[str, str],
    stop: threading.Event,
    onLine: Callable[[str], None],
    onTick: Callable[[], None] = lambda: None,
) -> int:
    """Run a program to its end and return its exit status.

    Args:
        command: Program and arguments; it must end by itself when its input closes (see EngineWatch).
        environment: All its environment variables.
        stop: Set from another thread to end the program early.
        onLine: Called with each line it prints, standard error included.
        onTick: Called a few times per second.

    Raises:
        Cancelled: ``stop`` was set; the program has ended.
        OSError: The program cannot be started.
    """
    child = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    lines: "queue.Queue[Optional[str]]" = queue.Queue()
    reader = threading.Thread(target=_readLines, args=(child, lines), daemon=True)
    reader.start()
    try:
        _relay(lines, stop, onLine, onTick)
    finally:
        if stop.is_set():
            child.kill()
        child.stdin.close()
        status = child.wait()
    if stop.is_set():
        raise Cancelled
    return status


def _relay(
    lines: "queue.Queue[Optional[str]]",
    stop: threading.Event,
    onLine: Callable[[str], None],
    onTick: Callable[[], None],
) -> None:
    """Pass lines on until the program closes its output or the work is called off."""
    while not stop.is_set():
        try:
            line = lines.get(timeout=TICK_SECONDS)
        except queue.Empty:
            onTick()
            continue
        if line is None:
            return
        onLine(line)


def _readLines(child: "subprocess.Popen[bytes]", lines: "queue.Queue[Optional[str]]") -> None:
    for line in child.stdout:
        lines.put(line.decode("utf-8", "replace").rstrip("\r\n"))
    lines.put(None)


def collectLines(
    command: Sequence[str], environment: Mapping[str, str], stop: threading.Event
) -> "tuple[int, List[str]]":
    """Run a program and return its exit status and all lines it printed; raises like :func:`runChild`."""
    lines: List[str] = []
    status = runChild(command, environment, stop, lines.append)
    return status, lines
