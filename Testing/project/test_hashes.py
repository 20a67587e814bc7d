"""A file is recognized by its content, a scan by its voxels."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from VQSegLib.project.hashes import hash_file, hash_voxels


def test_hash_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert hash_file(tmp_path / "file") == hashlib.sha256(b"content").hexdigest()


def test_same_voxels_have_the_same_hash_in_every_storage_type_and_layout() -> None:
    array = np.random.default_rng(0).integers(-1000, 3000, (3, 4, 5)).astype(np.int16)
    assert hash_voxels(array) == hash_voxels(array.astype(np.float64)) == hash_voxels(np.asfortranarray(array))
    changed = array.copy()
    changed[1, 2, 3] += 1
    assert hash_voxels(changed) != hash_voxels(array)
    assert hash_voxels(array.reshape(3, 5, 4)) != hash_voxels(array)
