"""Start the worker."""

import sys

from VQSegLib.worker.main import run

sys.exit(run())
