"""Start the worker."""

import sys

from VQSegLib.errors import UserError
from VQSegLib.worker.main import run

try:
    run()
except UserError as mistake:
    sys.exit(str(mistake))
