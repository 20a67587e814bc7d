"""How much of a codebook is in use."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class CodebookUsage(NamedTuple):
    """Usage of a codebook over a set of tokens.

    Attributes:
        perplexity: ``exp`` of the entropy of the code histogram, in ``[1, codebook_size]``.
        active_codes: Share of codes used at least once, in ``[0, 1]``.
    """

    perplexity: float
    active_codes: float


def compute_codebook_usage(indices: Tensor, codebook_size: int) -> CodebookUsage:
    """Return the usage of ``indices`` (any shape, int64); a short sample understates it."""
    return usage_from_counts(torch.bincount(indices.reshape(-1), minlength=codebook_size))


def usage_from_counts(counts: Tensor) -> CodebookUsage:
    """Return the usage of a ``(codebook_size,)`` histogram."""
    share = counts.double() / counts.sum().clamp_min(1)
    entropy = torch.special.entr(share).sum()
    return CodebookUsage(float(entropy.exp()), float((counts > 0).double().mean()))
