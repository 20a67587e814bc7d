"""Runs a Python program that ends at once when its standard input closes: run by path, never imported.

    python EngineWatch.py -m pip install ...
    python EngineWatch.py script.py argument ...

The parent holds the other end, so that nothing goes on installing when the parent is killed. Works on every system,
unlike signals and process groups, and through Slicer's launcher, which passes a kill on to nobody.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading


def main() -> None:
    """Start watching, then become the program."""
    threading.Thread(target=endWithInput, daemon=True).start()
    sys.argv = sys.argv[1:]
    if sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


def endWithInput() -> None:
    """Wait for the end of the input, then leave without any clean-up: the parent does that or is gone."""
    # os.read instead of sys.stdin: a buffered reader held by this thread would abort Python at its regular end.
    while os.read(0, 4096):
        pass
    os._exit(9)


if __name__ == "__main__":
    main()
