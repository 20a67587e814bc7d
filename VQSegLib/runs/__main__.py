"""The process of a run: ``python -m VQSegLib.runs PROJECT RUN``."""

import sys

from VQSegLib.runs.main import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2]))
