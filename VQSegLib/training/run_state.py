"""What a run needs to go on after it was stopped, and its best weights so far."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from VQSegLib.atomic_files import written_atomically
from VQSegLib.errors import ProjectError


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write tensors, numbers and strings to ``path``, completely or not at all.

    Raises:
        ProjectError: The disk is full or the folder cannot be written.
    """
    try:
        with written_atomically(path, path.suffix) as temporary:
            torch.save(content, temporary)
    except (OSError, RuntimeError) as exc:
        # torch tells a full disk by a RuntimeError.
        reason = (isinstance(exc, OSError) and exc.strerror) or "the file is not whole on disk"
        msg = f"The run cannot be kept: '{path}' cannot be written ({reason}); check free space, then resume the run."
        raise ProjectError(msg) from exc


def load_tensors(path: Path) -> dict[str, Any]:
    """Read what :func:`save_tensors` wrote, without running code.

    Raises:
        ProjectError: The file is missing, damaged or holds more than tensors, numbers and strings.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as exc:
        msg = f"The run cannot be resumed: '{path.name}' is missing in '{path.parent}'; start it again in a new folder."
        raise ProjectError(msg) from exc
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as exc:
        msg = f"The run cannot be resumed: '{path}' is damaged; start it again in a new folder."
        raise ProjectError(msg) from exc
    return content
