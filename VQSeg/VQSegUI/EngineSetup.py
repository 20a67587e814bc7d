"""Installs, checks and removes the engine: run by path in a process of its own, by Slicer's Python but without Slicer.

    PythonSlicer EngineSetup.py install --root FOLDER --build cpu [--wheels FOLDER]
    PythonSlicer EngineSetup.py remove --root FOLDER
    PythonSlicer EngineSetup.py check --root FOLDER
    PythonSlicer EngineSetup.py save-wheels --root FOLDER --build cpu --wheels FOLDER

It prints one JSON object per line (see EngineMessages) and stops, tidied up, when its standard input closes.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from pathlib import Path
from typing import List

if __name__ == "__main__":
    # Run by path: the package's own folder would make its files top-level modules.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from VQSegUI.EngineCatalog import EngineCatalog
from VQSegUI.EngineChild import Cancelled
from VQSegUI.EngineLayout import EngineLayout, RecordUnreadable, extensionRoot, runningPython
from VQSegUI.EngineLock import EngineLock
from VQSegUI.EngineMessages import Sender
from VQSegUI.EngineWork import EngineWork
from VQSegUI.Problem import Problem

LOCK_ATTEMPTS, LOCK_PAUSE_SECONDS = 5, 0.1  # a panel that only looks at the state holds the lock for an instant


def main(arguments: List[str]) -> int:
    """Do what the command line asks for; return 0 on success."""
    parser = argparse.ArgumentParser(prog="EngineSetup")
    parser.add_argument("action", choices=["install", "remove", "check", "save-wheels"])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--catalog", type=Path)
    parser.add_argument("--build", default="cpu")
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--torch-index")
    options = parser.parse_args(arguments)
    sys.path.append(str(extensionRoot()))  # the check talks to a worker
    layout, messages, stop = EngineLayout(options.root), Sender(), threading.Event()
    threading.Thread(target=_stopWithInput, args=(stop,), daemon=True).start()
    try:
        work = EngineWork(
            layout, EngineCatalog(options.catalog, python=runningPython()), messages, stop, options.torch_index
        )
        _runLocked(work, layout, options)
    except Cancelled:
        messages.failed("Cancelled; nothing was changed.", isCancelled=True)
        return 2
    except (Problem, RecordUnreadable) as problem:
        messages.failed(str(problem))
        return 1
    except OSError as error:
        messages.failed(f"The folder {options.root} cannot be used ({error}): choose another one under Advanced.")
        return 1
    messages.done()
    return 0


def _runLocked(work: EngineWork, layout: EngineLayout, options: argparse.Namespace) -> None:
    lock = EngineLock(layout.lockFile)
    if not _acquire(lock):
        msg = "Another Slicer window is setting up the engine; wait until it has finished."
        raise Problem(msg)
    try:
        if options.action == "install":
            work.install(options.build, options.wheels)
        elif options.action == "save-wheels":
            work.saveWheels(options.build, options.wheels)
        elif options.action == "check":
            work.check()
        else:
            work.remove()
    finally:
        lock.release()


def _acquire(lock: EngineLock) -> bool:
    for _attempt in range(LOCK_ATTEMPTS):
        if lock.acquire():
            return True
        time.sleep(LOCK_PAUSE_SECONDS)
    return False


def _stopWithInput(stop: threading.Event) -> None:
    """Call the work off when the parent closes the input or dies."""
    while os.read(0, 4096):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
