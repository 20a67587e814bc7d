"""The nearest code of each token."""

from __future__ import annotations

import torch
from torch import Tensor

from VQSegLib.models.folded_layers import FoldedLinear
from VQSegLib.models.lowest_columns import lowest_columns

_LARGE = 4096
"""Codes above which a search in two steps is faster."""
_SHORTLIST = 4
"""Codes kept from a search in bfloat16, whose scores are off by a hundredth."""
_MAX_SCORES = 1 << 23
"""Entries of the token-by-code table computed at once: 32 MiB in float32, see :mod:`VQSegLib.kept_memory`."""


class CodeSearch:
    """Finds the Euclidean nearest of some codes, in float32 whatever autocast says: rounding would change codes.

    Among many codes, and where products run in bfloat16, such a product makes a shortlist, which is then looked at
    exactly.
    """

    def __init__(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> None:
        """Take codes; later changes of them may or may not be seen.

        Args:
            codes: ``(K, D)``.
            dtype: Type in which products are fast; bfloat16 allows a shortlist.
        """
        self._codes = codes.detach().float()
        self._half_norms = self._codes.square().sum(1) / 2
        is_rough = dtype == torch.bfloat16 and len(codes) > _LARGE
        self._score = FoldedLinear(-self._codes, self._half_norms, dtype) if is_rough else None

    def find(self, latents: Tensor) -> Tensor:
        """Return the code ``(N,)`` int64 of each row of ``(N, D)``."""
        with torch.autocast(latents.device.type, enabled=False):
            parts = latents.detach().float().split(max(1, _MAX_SCORES // len(self._codes)))
            return torch.cat([self._find(part) for part in parts])

    def _find(self, latents: Tensor) -> Tensor:
        # argmin |z - c|^2 = argmin |c|^2 / 2 - z c: the norm of z does not matter.
        if self._score is None:
            return lowest_columns(torch.addmm(self._half_norms, latents, self._codes.T, alpha=-1), 1)[:, 0]
        shortlist = lowest_columns(self._score(latents.bfloat16()), _SHORTLIST)
        products = torch.einsum("nd,nsd->ns", latents, self._codes[shortlist])
        best = (self._half_norms[shortlist] - products).argmin(1, keepdim=True)
        return shortlist.gather(1, best)[:, 0]
