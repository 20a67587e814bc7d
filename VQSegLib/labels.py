"""The label table: the single source of label values, names, colors and SNOMED codes."""

from __future__ import annotations

from pydantic import Field, model_validator

from VQSegLib.documents import Document


class Code(Document):
    """Coded term as DICOM and Slicer's terminologies use it."""

    scheme: str = Field(description="Coding scheme designator, for example SCT for SNOMED CT.")
    value: str = Field(description="Code value within the scheme.")
    meaning: str = Field(description="Human-readable meaning.")


class Label(Document):
    """One structure."""

    value: int = Field(ge=1, le=255, description="Voxel value in label maps; 0 is background.")
    name: str = Field(min_length=1)
    color: tuple[int, int, int] = Field(description="Red, green, blue, each 0..255.")
    category: Code | None = Field(default=None, description="SNOMED category, for example Anatomical Structure.")
    type: Code | None = Field(default=None, description="SNOMED type, for example Parotid gland.")
    modifier: Code | None = Field(default=None, description="SNOMED type modifier, for example Left.")

    @model_validator(mode="after")
    def _check_color(self) -> Label:
        if not all(0 <= part <= 255 for part in self.color):
            msg = f"color parts must lie in 0..255, label '{self.name}' has {self.color}"
            raise ValueError(msg)
        return self


class LabelTable(Document):
    """Structures a project or a model knows; background (value 0) is implied.

    Class 0 of a network is background; class ``c`` is ``labels[c - 1]``, whose voxel value may be any number 1..255.
    """

    labels: tuple[Label, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_unique(self) -> LabelTable:
        for what, items in (("value", self.values), ("name", tuple(label.name for label in self.labels))):
            doubled = sorted({str(item) for item in items if items.count(item) > 1})
            if doubled:
                msg = f"label {what}s must be unique, given twice: {', '.join(doubled)}"
                raise ValueError(msg)
        return self

    @property
    def values(self) -> tuple[int, ...]:
        """Voxel values in class order, without background."""
        return tuple(label.value for label in self.labels)

    @property
    def num_classes(self) -> int:
        """Number of network classes, background included."""
        return len(self.labels) + 1
