"""Usage loss of the VQ-Seg release: sharp per token, spread over the batch."""

from __future__ import annotations

import torch
from torch import Tensor

_MAX_TOKENS = 1024
"""Tokens looked at per call; the full soft assignment of a batch would not fit beside a codebook of 16,384."""


def usage_loss(latents: Tensor, codes: Tensor) -> Tensor:
    """Return ``mean_n H(q(.|z_n)) - H(mean_n q(.|z_n))`` with ``q = softmax_k(-|z - c_k|^2)``.

    Args:
        latents: ``(..., D)`` features in code space.
        codes: ``(K, D)``.

    Returns:
        Scalar in ``[-ln K, 0]``; its gradient reaches features and codes.
    """
    with torch.autocast(latents.device.type, enabled=False):
        flat = latents.float().reshape(-1, latents.shape[-1])
        flat = flat[:: max(1, -(-flat.shape[0] // _MAX_TOKENS))]
        # The clamp keeps the gradient of the entropy finite where a probability underflows to zero.
        share = (-torch.cdist(flat, codes.float()).square()).softmax(1).clamp_min(1e-20)
        loss: Tensor = torch.special.entr(share).sum(1).mean() - torch.special.entr(share.mean(0)).sum()
    return loss
