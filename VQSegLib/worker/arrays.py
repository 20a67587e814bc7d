"""Between numpy and what travels."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from VQSegLib.box import Box, Triple
from VQSegLib.label_crops import LabelCrop
from VQSegLib.volume import Array
from VQSegLib.wire import WireArray

Index = Annotated[int, Field(ge=0)]


class Params(BaseModel):
    """Base of the parameters of a request: what is not declared is refused, arrays are passed through."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class BoxParams(Params):
    """Half-open box of voxel indices."""

    start_kji: tuple[Index, Index, Index]
    stop_kji: tuple[Index, Index, Index]

    def to_box(self) -> Box:
        """Return the box.

        Raises:
            UserError: It holds no voxel.
        """
        return Box(self.start_kji, self.stop_kji)


class MaskParams(Params):
    """One label of a label map: anything but 0 in the array belongs to it."""

    value: Annotated[int, Field(ge=1, le=255)]
    extent_ijk: tuple[Index, Index, Index, Index, Index, Index]
    array: WireArray

    def to_mask(self) -> tuple[int, Box, Array]:
        """Return value, box and mask, as :func:`VQSegLib.label_crops.paste_masks` takes them.

        Raises:
            UserError: The extent holds no voxel.
        """
        return self.value, from_extent_ijk(self.extent_ijk), to_numpy(self.array)


def to_numpy(array: WireArray) -> Array:
    """Return a received array without a copy."""
    return np.frombuffer(array.data, array.dtype).reshape(array.shape)


def to_extent_ijk(box: Box) -> list[int]:
    """Return ``[i0, i1, j0, j1, k0, k1]`` with inclusive ends, as VTK and Slicer write extents."""
    (k0, j0, i0), (k1, j1, i1) = box.start_kji, box.stop_kji
    return [i0, i1 - 1, j0, j1 - 1, k0, k1 - 1]


def from_extent_ijk(extent_ijk: tuple[int, int, int, int, int, int]) -> Box:
    """Return the box of an inclusive extent; the inverse of :func:`to_extent_ijk`.

    Raises:
        UserError: It holds no voxel.
    """
    i0, i1, j0, j1, k0, k1 = extent_ijk
    start: Triple = (k0, j0, i0)
    return Box(start, (k1 + 1, j1 + 1, i1 + 1))


def to_wire_label(crop: LabelCrop) -> dict[str, Any]:
    """Return one label of an answer; a label that was not found has no array and a null extent."""
    found: dict[str, Any] = {**crop.label.model_dump(mode="json"), "voxels": crop.voxels, "extent_ijk": None}
    if crop.box is not None and crop.mask is not None:
        found.update(extent_ijk=to_extent_ijk(crop.box), array=WireArray.from_numpy(crop.mask))
    return found
