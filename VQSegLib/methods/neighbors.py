"""Agreement of an image's representation with those of the images most like it (ARCO's nearest-neighbour loss)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

_POOL = 36
_NEAREST = 5
_SIDE = 8


class NeighborPool(nn.Module):
    """Remembers the teacher's representations of the last 36 images; part of the training state.

    Args:
        spatial_dims: 2 or 3.
        width: Channels of a representation.
    """

    vectors: Tensor
    count: Tensor

    def __init__(self, spatial_dims: int, width: int) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims
        self.register_buffer("vectors", torch.zeros(_POOL, width * _SIDE**spatial_dims))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def loss(self, student: Tensor, teacher: Tensor, *, released: bool) -> Tensor:
        """Return the mean distance (1 - cosine) to the five nearest remembered images, and remember these.

        Neighbours are chosen by the teacher's representation and the student's is pulled towards them.

        Args:
            student: ``(B, width, *spatial)`` with gradient.
            teacher: The same without.
            released: Choose by the student's and measure the teacher's, as the released code does: no gradient at all.
        """
        chosen_by, measured = self._flatten(teacher), self._flatten(student)
        if released:
            chosen_by, measured = measured.detach(), chosen_by
        known = self.vectors[: min(int(self.count), _POOL)]
        total = measured.sum() * 0
        if len(known) >= _NEAREST:
            nearest = (chosen_by @ known.T).topk(_NEAREST, dim=1).indices
            total = total + (1 - (measured[:, None] * known[nearest]).sum(2)).mean()
        self._remember(self._flatten(teacher))
        return total

    def _flatten(self, representation: Tensor) -> Tensor:
        """Return one vector of length 1 per image, from averages over 8 cells per side."""
        pool = F.adaptive_avg_pool2d if self.spatial_dims == 2 else F.adaptive_avg_pool3d
        return F.normalize(pool(representation.float(), _SIDE).flatten(1), dim=1)

    @torch.no_grad()
    def _remember(self, vectors: Tensor) -> None:
        places = (int(self.count) + torch.arange(len(vectors), device=vectors.device)) % _POOL
        # A replaced copy, because the vectors of this step are still needed for its gradient.
        kept = self.vectors.clone()
        kept[places] = vectors.detach()
        self.vectors = kept
        self.count += len(vectors)
