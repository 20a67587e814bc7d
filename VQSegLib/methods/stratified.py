"""Stratified group sampling, ARCO's contribution: fewer candidates describe a region as well as many random ones."""

from __future__ import annotations

import math
from typing import Literal

import torch

Sampling = Literal["uniform", "stratified", "antithetic"]
_BLOCKS = 4


def draw_indices(candidates: int, count: int, sampling: Sampling) -> torch.Tensor:
    """Return ``count`` indices below ``candidates``, with repetition.

    Candidates in their order along the image are laid out as a square grid of 4 x 4 blocks, and every block gives as
    many. What falls beyond the last candidate is drawn uniformly instead.

    Args:
        candidates: How many there are, at least 1.
        count: How many to draw.
        sampling: ``stratified`` (SG): at random within each block; ``antithetic`` (SAG): half of them so, the other
            half at the places mirrored at the middle of their block; ``uniform``: plain random draws.
    """
    side = math.isqrt(candidates)
    if sampling == "uniform" or side < _BLOCKS:
        return torch.randint(candidates, (count,))
    edges = torch.linspace(0, side, _BLOCKS + 1).round().long()
    low, size = edges[:-1], edges.diff()
    per_block = -(-count // _BLOCKS**2)
    drawn = -(-per_block // 2) if sampling == "antithetic" else per_block
    # Axes: row of the block, column of the block, draw, (row, column) of the candidate.
    sizes = torch.stack(torch.meshgrid(size, size, indexing="ij"), dim=-1)[:, :, None]
    lows = torch.stack(torch.meshgrid(low, low, indexing="ij"), dim=-1)[:, :, None]
    inside = (torch.rand(_BLOCKS, _BLOCKS, drawn, 2) * sizes).long().minimum(sizes - 1)
    if sampling == "antithetic":
        inside = torch.cat([inside, sizes - 1 - inside], dim=2)
    places = lows + inside
    indices = (places[..., 0] * side + places[..., 1]).flatten()
    # Blocks give a few more than asked for; which of them are left out must not prefer a block.
    indices = indices[torch.randperm(len(indices))[:count]]
    return torch.where(indices < candidates, indices, torch.randint(candidates, indices.shape))
