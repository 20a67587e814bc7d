"""Rows of the table: a method with what sets it apart from the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from VQSegLib.documents import Document, describe_validation_error
from VQSegLib.errors import ConfigError


class Row(Document):
    """One row."""

    name: str = Field(min_length=1, description="As the table shows it.")
    method: str = Field(description="Method, or preset of which method, optimizer and augmentation are taken.")
    all_labels: bool = Field(default=False, description="Train with every label whatever the budget: an upper bound.")
    settings: tuple[str, ...] = Field(default=(), description="Like method.qpm=false; they win over everything else.")

    @property
    def folder_name(self) -> str:
        """Name as part of a folder's name."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.casefold()).strip("-") or "row"


TABLE_1 = (
    Row(name="UNet-F", method="supervised", all_labels=True),
    Row(name="UNet-S", method="supervised"),
    Row(name="nnU-Net recipe-F", method="nnunet", all_labels=True),
    Row(name="nnU-Net recipe-S", method="nnunet"),
    Row(name="UA-MT", method="uamt"),
    Row(name="MC-Net+", method="mcnet"),
    Row(name="SS-Net", method="ssnet"),
    Row(name="BCP", method="bcp"),
    Row(name="ARCO", method="arco"),
    Row(name="ABD", method="abd"),
    Row(name="UniMatch V1", method="unimatch_v1"),
    Row(name="UniMatch V2", method="unimatch_v2"),
    Row(name="Dropout", method="dropout"),
    Row(name="VQ-Seg", method="vqseg"),
)
"""Rows of the VQ-Seg paper's Table 1, with UniMatch's first version and the dropout baseline."""

_ROWS = TypeAdapter(tuple[Row, ...])


def choose_rows(names: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows of methods by name; ``all`` is the whole table.

    Raises:
        ConfigError: A name is not known.
    """
    if list(names) == ["all"]:
        return TABLE_1
    known = {row.method for row in TABLE_1}
    for name in names:
        if name not in known:
            msg = f"The method '{name}' is not known; choose 'all' or some of {', '.join(sorted(known))}."
            raise ConfigError(msg)
    return tuple(row for row in TABLE_1 if row.method in names)


def load_rows(path: Path) -> tuple[Row, ...]:
    """Read rows from a JSON file: a list of objects with name, method, all_labels and settings.

    Raises:
        ConfigError: The file cannot be read, is not valid or names a row twice.
    """
    try:
        rows = _ROWS.validate_json(path.read_bytes())
    except OSError as exc:
        msg = f"The rows '{path}' cannot be read ({exc.strerror}); give a JSON file."
        raise ConfigError(msg) from exc
    except ValidationError as exc:
        raise ConfigError(describe_validation_error(exc, f"The rows '{path}'")) from exc
    folders = [row.folder_name for row in rows]
    doubled = sorted({name for name in folders if folders.count(name) > 1})
    if doubled or not rows:
        msg = f"The rows '{path}' must be some, with names that differ; given twice: {', '.join(doubled) or 'none'}."
        raise ConfigError(msg)
    return rows
