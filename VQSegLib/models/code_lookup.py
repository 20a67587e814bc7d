"""A quantizer that no longer learns: codes and their features computed once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.models.code_search import CodeSearch
from VQSegLib.models.vector_quantizer import VectorQuantizer


class CodeLookup:
    """Assigns codes to features and features to codes as a quantizer in evaluation mode does.

    SimVQ multiplies its whole codebook by a matrix in every pass, which at 16,384 codes is a sixth of the arithmetic of
    a 224-pixel slice; here that is done once, and so is the projection of the codes to features.

    Attributes:
        codes: ``(codebook_size, code_dim)`` float32.
    """

    def __init__(self, quantizer: VectorQuantizer, dtype: torch.dtype) -> None:
        """Compute codes and features; later changes of the quantizer's weights are not seen.

        Args:
            quantizer: On its device, in evaluation mode.
            dtype: Of the features that are looked up.
        """
        self.codes = quantizer.codes().detach().float()
        self._search = CodeSearch(self.codes, dtype)
        self._project_in = quantizer.project_in
        features: Tensor = quantizer.project_out(self.codes.T.unsqueeze(0))
        self._features = features[0].T.to(dtype).contiguous()

    def find(self, z: Tensor) -> Tensor:
        """Return the nearest code ``(B, *spatial)`` of features ``(B, dim, *spatial)``."""
        with torch.autocast(z.device.type, enabled=False):
            latents: Tensor = self._project_in(z.float()).movedim(1, -1)
            flat = latents.reshape(-1, latents.shape[-1])
        return self._search.find(flat).reshape(latents.shape[:-1])

    def look_up(self, indices: Tensor) -> Tensor:
        """Return the features ``(B, dim, *spatial)`` of codes ``(B, *spatial)``, channels last in memory."""
        return F.embedding(indices, self._features).movedim(-1, 1)
