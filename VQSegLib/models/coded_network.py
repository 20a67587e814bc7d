"""A network with codes whose parts can be called one by one, prepared for answering and no longer learning."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from VQSegLib.models.code_lookup import CodeLookup


class CodedNetwork(ABC):
    """Encoder, codes and decoder; calling it answers logits.

    Attributes:
        lookup: The codes; None without a quantizer.
    """

    lookup: CodeLookup | None

    def __call__(self, images: Tensor) -> Tensor:
        """Return logits ``(B, num_classes, *spatial)`` of ``(B, C, *spatial)`` float32 images."""
        features = self.encode(images)
        coarsest = features[-1] if self.lookup is None else self.lookup.look_up(self.lookup.find(features[-1]))
        return self.decode(self.share(features), coarsest, images.shape[2:])

    @abstractmethod
    def encode(self, images: Tensor) -> list[Tensor]:
        """Return the encoder's maps, fine to coarse; the last one is what gets quantized."""

    @abstractmethod
    def share(self, features: Sequence[Tensor]) -> list[Tensor | None]:
        """Return what all decodes of an image share, from the encoder's maps."""

    @abstractmethod
    def decode(self, shared: Sequence[Tensor | None], coarsest: Tensor, size: Sequence[int]) -> Tensor:
        """Return logits of ``size`` from what :meth:`share` gave and the coarsest map."""
