"""Hashes that recognize a file, and the same scan in another file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from VQSegLib.volume import Array


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_voxels(array: Array) -> str:
    """Return the SHA-256 over shape and values of a ``(K, J, I)`` array, the same for every storage type.

    Values are compared as float32, which holds every CT value exactly, one slice at a time to bound the memory.
    """
    digest = hashlib.sha256(repr(tuple(array.shape)).encode())
    for plane in array:
        digest.update(np.ascontiguousarray(plane, dtype="<f4").tobytes())
    return digest.hexdigest()
