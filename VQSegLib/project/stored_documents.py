"""Reading JSON documents of a project: version first, and only when the file has changed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Generic

from pydantic import ValidationError

from VQSegLib.documents import DocumentT, describe_validation_error
from VQSegLib.errors import ProjectError

FORMAT_VERSION = 1
_SETTLED_AFTER_NS = 2_000_000_000
"""Two changes within the resolution of a file's time stamp look alike, so younger files are read again."""

Signature = tuple[int, int, int]


class DocumentReader(Generic[DocumentT]):
    """Reads documents of one kind and remembers them as long as their files stay the same."""

    def __init__(self, cls: type[DocumentT]) -> None:
        """Read documents of ``cls``."""
        self._cls = cls
        self._known: dict[str, tuple[Signature, DocumentT]] = {}

    def read(self, file: str | Path) -> DocumentT:
        """Return the document in ``file``.

        Raises:
            FileNotFoundError: There is no such file.
            ProjectError: It cannot be read, is damaged, or has another format version.
        """
        key = str(file)
        try:
            stat = os.stat(key)  # noqa: PTH116 - of thousands of files; a Path for each would double the time
            signature = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            known = self._known.get(key)
            if known is not None and known[0] == signature:
                return known[1]
            text = Path(key).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as exc:
            msg = f"'{key}' cannot be read ({exc.strerror}); check the permissions of the project folder."
            raise ProjectError(msg) from exc
        document = _parse(self._cls, text, key)
        if time.time_ns() - stat.st_mtime_ns > _SETTLED_AFTER_NS:
            self._known[key] = signature, document
        return document


def _parse(cls: type[DocumentT], text: bytes, source: str) -> DocumentT:
    """Parse a document; that it is of another version is said before its fields are looked at."""
    try:
        return cls.model_validate_json(text)
    except ValidationError as exc:
        _check_version(text, source)
        raise ProjectError(describe_validation_error(exc, f"'{source}'")) from exc


def _check_version(text: bytes, source: str) -> None:
    try:
        version = json.loads(text).get("format_version")
    except (ValueError, AttributeError) as exc:
        msg = f"'{source}' is damaged (not a JSON document); restore it from a backup."
        raise ProjectError(msg) from exc
    if version != FORMAT_VERSION:
        msg = (
            f"'{source}' has format version {version!r}, this VQSeg reads version {FORMAT_VERSION}; "
            "open the project with the VQSeg version that wrote it or a newer one."
        )
        raise ProjectError(msg)
