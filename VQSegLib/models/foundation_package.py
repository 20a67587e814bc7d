"""Weights that are installed as a package: found and read without running the package's code, and checked."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from VQSegLib.errors import ModelFileError


@dataclass(frozen=True)
class WeightPackage:
    """Where the weights of a teacher lie.

    Attributes:
        teacher: Name of the teacher, for messages.
        files: Package and file in it, in the order in which the files are joined.
        sha256: Of the joined content.
        install: What installs them, for messages.
    """

    teacher: str
    files: Sequence[tuple[str, str]]
    sha256: str
    install: str

    def load(self) -> Mapping[str, Tensor]:
        """Return the state dict.

        Raises:
            ModelFileError: A package is missing, or its content is not what was published.
        """
        return _load_state_dict(self._read(), self)

    def _read(self) -> bytes:
        parts = []
        for package, file in self.files:
            spec = importlib.util.find_spec(package)
            path = Path(spec.origin).parent / file if spec is not None and spec.origin else None
            if path is None or not path.is_file():
                msg = (
                    f"The weights of the teacher '{self.teacher}' are not installed ('{package}' is missing); "
                    f"{self.install}."
                )
                raise ModelFileError(msg)
            parts.append(path.read_bytes())
        joined = b"".join(parts)
        if hashlib.sha256(joined).hexdigest() != self.sha256:
            msg = f"The installed weights of the teacher '{self.teacher}' have the wrong SHA-256; {self.install}."
            raise ModelFileError(msg)
        return joined


def _load_state_dict(content: bytes, package: WeightPackage) -> Mapping[str, Tensor]:
    """Read a torch file that holds nothing but tensors; code in it is refused."""
    try:
        document: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as exc:
        msg = f"The weights of the teacher '{package.teacher}' are not a plain file of tensors; {package.install}."
        raise ModelFileError(msg) from exc
    state_dict = document.get("state_dict", document) if isinstance(document, dict) else None
    if not isinstance(state_dict, dict) or not all(isinstance(value, Tensor) for value in state_dict.values()):
        msg = f"The weights of the teacher '{package.teacher}' hold no table of named tensors; {package.install}."
        raise ModelFileError(msg)
    return state_dict
