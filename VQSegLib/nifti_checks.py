"""What ITK's NIfTI reader passes over in silence: missing voxels and values that are not numbers."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the library's own convention

from VQSegLib.errors import VolumeError
from VQSegLib.image_checks import truncated_sentence
from VQSegLib.scan_checks import not_finite_sentence

_FLOAT_DATATYPES = {16: "f4", 64: "f8"}
_CHUNK_BYTES = 1 << 22
_LARGEST_TAIL_BYTES = 1 << 16
"""Some writers append a little after the last voxel."""


def check_nifti(reader: sitk.ImageFileReader, path: Path) -> None:
    """Refuse a NIfTI file that is truncated or holds floats that are not finite.

    ITK fills the missing slices of a truncated file with rubbish and turns NaN into 0, which in a CT is water.

    Args:
        reader: Has read the header.
        path: File that ends in .nii or .nii.gz.

    Raises:
        VolumeError: One sentence with the reason.
    """
    first_byte = int(float(reader.GetMetaData("vox_offset")))
    needed = int(np.prod(reader.GetSize(), dtype=np.int64)) * int(reader.GetMetaData("bitpix")) // 8
    is_zipped = _is_gzip(path)
    kind = _FLOAT_DATATYPES.get(int(reader.GetMetaData("datatype")))
    try:
        if kind is not None:
            held, not_finite = _scan_floats(path, is_zipped, first_byte, kind)
            if held >= needed and not_finite:
                raise VolumeError(not_finite_sentence(not_finite, f"'{path}'"))
        elif not is_zipped:
            held = path.stat().st_size - first_byte
        elif _trailer_says(path, first_byte + needed):
            return
        else:
            held = sum(len(block) for block in _blocks(path, is_zipped)) - first_byte
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise VolumeError(truncated_sentence(path)) from error
    if held < needed:
        raise VolumeError(truncated_sentence(path))


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _trailer_says(path: Path, expected_bytes: int) -> bool:
    """Whether a gzip file ends with the expected size, modulo 4 GiB; a file cut in the middle ends with anything."""
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        size = int.from_bytes(stream.read(4), "little")
    return (size - expected_bytes) % (1 << 32) <= _LARGEST_TAIL_BYTES


def _blocks(path: Path, is_zipped: bool) -> Iterator[bytes]:
    with closing(gzip.open(path) if is_zipped else path.open("rb")) as stream:
        while block := stream.read(_CHUNK_BYTES):
            yield block


def _scan_floats(path: Path, is_zipped: bool, first_byte: int, kind: str) -> tuple[int, int]:
    """Return the number of bytes after the header and how many floats among them are not finite."""
    blocks = _blocks(path, is_zipped)
    rest = b""
    while len(rest) < first_byte and (block := next(blocks, b"")):
        rest += block
    order = "<" if int.from_bytes(rest[:4], "little") in (348, 540) else ">"
    dtype = np.dtype(order + kind)
    rest, held, not_finite = rest[first_byte:], 0, 0
    while rest:
        whole = len(rest) // dtype.itemsize * dtype.itemsize
        not_finite += int(np.count_nonzero(~np.isfinite(np.frombuffer(rest[:whole], dtype))))
        held += whole
        block = next(blocks, b"")
        rest = rest[whole:] + block if block else b""
    return held, not_finite
