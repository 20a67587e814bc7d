"""Log of a failure that is VQSeg's own fault, with everything left out that could tell of a patient.

Paths, file names, quoted texts and the values of the command line are removed, local variables are never written.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import sys
import tempfile
import traceback
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from VQSegLib import __version__

_REMOVED = "<removed>"
_PRIVATE = re.compile(
    r"""'[^'\n]*'|"[^"\n]*"|\S*[/\\]\S*|\S+\.(?:nii|gz|nrrd|nhdr|mha|mhd|dcm|json|safetensors|pth|png)\b""",
    re.IGNORECASE,
)
_PACKAGES = ("torch", "monai", "SimpleITK", "numpy", "scipy", "pydantic", "typer")


def write_failure_log(error: BaseException, command: str, arguments: Sequence[str]) -> Path:
    """Write the log of one failure.

    Args:
        error: What happened; its causes are logged too.
        command: Name of the subcommand, for example ``segment``.
        arguments: Values of the command line, which are removed wherever they occur.

    Returns:
        The log file, in the system's folder for logs or, where that cannot be written, for temporary files.
    """
    text = describe_failure(error, command, arguments)
    name = f"failure-{datetime.datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}.log"
    for folder in (log_folder(), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        except OSError:
            continue
        return folder / name
    return Path(os.devnull)


def describe_failure(error: BaseException, command: str, arguments: Sequence[str]) -> str:
    """Return the text of the log; arguments as in :func:`write_failure_log`."""
    return "\n".join([*_describe_system(command), *_describe_error(error, arguments)]) + "\n"


def log_folder() -> Path:
    """Return the folder the system keeps a user's logs in."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "vqseg" / "log"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Logs" / "vqseg"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "vqseg" / "log"


def _describe_system(command: str) -> Iterator[str]:
    yield f"vqseg {__version__}, command: {command}"
    yield f"Python {platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}"
    for package in _PACKAGES:
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            yield f"{package} is not installed"


def _describe_error(error: BaseException, arguments: Sequence[str]) -> Iterator[str]:
    """Yield the errors, the first cause last: place and source line of each frame, then the cleaned message."""
    current: BaseException | None = error
    while current is not None:
        yield ""
        for frame in traceback.extract_tb(current.__traceback__):
            yield f"  {'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} in {frame.name}: {frame.line or ''}"
        yield f"{type(current).__name__}: {_clean(str(current), arguments)}"
        current = current.__cause__ or current.__context__


def _clean(text: str, arguments: Sequence[str]) -> str:
    """Remove everything that could be a path, a file name or a value the user gave."""
    names = {part for value in arguments for part in (value, Path(value).name, Path(value).name.partition(".")[0])}
    for name in sorted((name for name in names if len(name) > 2), key=len, reverse=True):
        text = text.replace(name, _REMOVED)
    return _PRIVATE.sub(_REMOVED, text)
