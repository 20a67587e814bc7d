"""Bytes of a model file: safetensors with a JSON card and a content hash in the header. Needs no torch.

Layout (https://github.com/huggingface/safetensors): 8 bytes header length, little-endian; JSON header; tensor bytes.
The header's ``__metadata__`` holds ``vqseg.card`` (JSON text) and ``vqseg.sha256`` (hash over card and tensors).
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydantic_core
from pydantic import TypeAdapter, ValidationError

from VQSegLib.documents import Document, parse_document
from VQSegLib.errors import ModelFileError
from VQSegLib.models.card import FORMAT_VERSION, ModelCard

CARD_KEY = "vqseg.card"
SHA256_KEY = "vqseg.sha256"
PICKLE_SUFFIXES = frozenset({".pt", ".pth", ".ckpt", ".pkl", ".bin"})
# safetensors' own limit; a larger length means the file is something else.
MAX_HEADER_BYTES = 100_000_000
_LENGTH = struct.Struct("<Q")


class TensorEntry(Document):
    """Where one tensor lies in the file."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


@dataclass(frozen=True)
class Header:
    """Parsed header of a model file.

    Attributes:
        card_text: JSON text of the card exactly as hashed.
        sha256: Hash the file claims.
        tensors: Name to entry.
        data_start: File offset of the first tensor byte.
    """

    card_text: str
    sha256: str
    tensors: dict[str, TensorEntry]
    data_start: int

    @property
    def file_size(self) -> int:
        """Size the complete file must have, bytes."""
        return self.data_start + max((entry.data_offsets[1] for entry in self.tensors.values()), default=0)


_TENSORS = TypeAdapter(dict[str, TensorEntry])
_METADATA = TypeAdapter(dict[str, str])


def read_header(path: Path) -> Header:
    """Read the header alone, however large the file is.

    Raises:
        ModelFileError: The file is missing, unreadable, cut short, a pickle or not a VQSeg model file.
    """
    try:
        with path.open("rb") as stream:
            header = _parse_header(path, _read_header_bytes(path, stream))
            actual_size = path.stat().st_size
    except FileNotFoundError:
        msg = f"There is no model file {path}; check the name, or list the models with 'vqseg models list'."
        raise ModelFileError(msg) from None
    except OSError as exc:
        msg = f"The model file {path} cannot be read: {exc.strerror}."
        raise ModelFileError(msg) from exc
    if actual_size != header.file_size:
        state = "cut short" if actual_size < header.file_size else "damaged"
        msg = (
            f"The model file {path} is {state}: it has {actual_size} bytes instead of {header.file_size}; "
            f"copy or download it again."
        )
        raise ModelFileError(msg)
    return header


def parse_card(path: Path, header: Header) -> ModelCard:
    """Parse the card, format version first, so that a newer file is not called damaged.

    Raises:
        ModelFileError: The format version is not ours, or a field is not valid.
    """
    try:
        version = pydantic_core.from_json(header.card_text).get("format_version")
    except (ValueError, AttributeError):
        raise ModelFileError(_damaged(path, "its card is not a JSON object")) from None
    if isinstance(version, int) and version > FORMAT_VERSION:
        msg = (
            f"The model file {path} has format version {version}, this VQSeg reads version {FORMAT_VERSION}; "
            f"update VQSeg to use it."
        )
        raise ModelFileError(msg)
    if version != FORMAT_VERSION:
        msg = (
            f"The model file {path} has format version {version}, which is older than version {FORMAT_VERSION} that "
            f"this VQSeg reads; train or import the model again."
        )
        raise ModelFileError(msg)
    return parse_document(ModelCard, header.card_text, f"The card of model file {path}", ModelFileError)


def read_checked(path: Path) -> tuple[Header, bytes]:
    """Read the whole file once and check its content hash.

    Returns:
        The header and the bytes of the complete file; what was hashed is what the caller gets.

    Raises:
        ModelFileError: As :func:`read_header`, or the bytes do not belong to the hash.
    """
    header = read_header(path)
    try:
        content = path.read_bytes()
    except OSError as exc:
        msg = f"The model file {path} cannot be read: {exc.strerror}."
        raise ModelFileError(msg) from exc
    data = memoryview(content)[header.data_start :]
    if compute_sha256(header.card_text, header.tensors, data) != header.sha256:
        raise ModelFileError(_damaged(path, "its content does not match its SHA-256"))
    return header, content


def compute_sha256(card_text: str, tensors: dict[str, TensorEntry], data: memoryview) -> str:
    """Return the hash over the card and every tensor's name, dtype, shape and bytes, in order of names."""
    digest = hashlib.sha256()
    card = card_text.encode()
    digest.update(_LENGTH.pack(len(card)) + card)
    for name, entry in sorted(tensors.items()):
        start, stop = entry.data_offsets
        digest.update(json.dumps([name, entry.dtype, entry.shape, stop - start]).encode())
        digest.update(data[start:stop])
    return digest.hexdigest()


def parse_tensor_entries(content: bytes) -> tuple[dict[str, TensorEntry], memoryview]:
    """Split freshly serialized safetensors bytes into tensor entries and data."""
    length = _LENGTH.unpack_from(content)[0]
    raw = pydantic_core.from_json(content[_LENGTH.size : _LENGTH.size + length])
    raw.pop("__metadata__", None)
    return _TENSORS.validate_python(raw), memoryview(content)[_LENGTH.size + length :]


def _read_header_bytes(path: Path, stream: BinaryIO) -> bytes:
    start = stream.read(_LENGTH.size + 1)
    if start[_LENGTH.size :] != b"{":
        raise ModelFileError(_not_a_model(path, start))
    length = _LENGTH.unpack_from(start)[0]
    if length > MAX_HEADER_BYTES:
        raise ModelFileError(_not_a_model(path, start))
    header = start[_LENGTH.size :] + stream.read(length - 1)
    if len(header) < length:
        msg = f"The model file {path} is cut short within its header; copy or download it again."
        raise ModelFileError(msg)
    return header


def _parse_header(path: Path, text: bytes) -> Header:
    try:
        raw = pydantic_core.from_json(text)
        metadata = _METADATA.validate_python(raw.pop("__metadata__", {}))
        tensors = _TENSORS.validate_python(raw)
    except ValidationError:
        raise ModelFileError(_damaged(path, "its header is not valid")) from None
    except ValueError:
        raise ModelFileError(_damaged(path, "its header is not JSON")) from None
    if CARD_KEY not in metadata or SHA256_KEY not in metadata:
        msg = (
            f"{path} is a safetensors file without a VQSeg model card, so it belongs to another program; "
            f"choose a model file written by 'vqseg train' or 'vqseg models import'."
        )
        raise ModelFileError(msg)
    return Header(metadata[CARD_KEY], metadata[SHA256_KEY], tensors, _LENGTH.size + len(text))


def _not_a_model(path: Path, start: bytes) -> str:
    # torch.save writes a zip archive, before torch 1.6 a bare pickle (protocol 2 and later start with 0x80).
    if path.suffix.lower() in PICKLE_SUFFIXES or start.startswith((b"PK\x03\x04", b"\x80")):
        return (
            f"{path} is a torch pickle, not a VQSeg model file, and is not opened because a pickle can run code; "
            f"convert a released VQ-Seg checkpoint with 'vqseg models import'."
        )
    return f"{path} is not a VQSeg model file (.safetensors); choose one that 'vqseg models list' shows."


def _damaged(path: Path, reason: str) -> str:
    return f"The model file {path} is damaged: {reason}; copy or download it again."
