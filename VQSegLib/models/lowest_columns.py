"""The lowest of many scores: finding a minimum runs in vector units, finding its place does not."""

from __future__ import annotations

from torch import Tensor

_BLOCK, _GROUP = 128, 16
"""Columns looked at together when few are wanted, and when many are."""


def lowest_columns(scores: Tensor, count: int) -> Tensor:
    """Return the columns of the lowest scores of each row, ascending; the first one of equal scores for a single one.

    They lie in the ``count`` blocks of columns whose minima are lowest, so only those are sorted.

    Args:
        scores: ``(N, K)``.
        count: How many columns.

    Returns:
        ``(N, count)`` int64.
    """
    columns = scores.shape[1]
    if columns % _BLOCK == 0 and columns > _BLOCK * count:
        return _search_blocks(scores, count)
    if columns % _GROUP == 0 and columns > _GROUP * count:
        return _search_groups(scores, count)
    return _sort(scores, count)


def _search_blocks(scores: Tensor, count: int) -> Tensor:
    """Look at neighbouring columns together, which keeps the first one of equal scores."""
    blocks = scores.unflatten(1, (-1, _BLOCK))
    low_blocks = lowest_columns(blocks.amin(2), count)
    within = blocks.gather(1, low_blocks.unsqueeze(2).expand(-1, -1, _BLOCK)).flatten(1)
    found = _sort(within, count)
    columns: Tensor = low_blocks.gather(1, found // _BLOCK) * _BLOCK + found % _BLOCK
    return columns


def _search_groups(scores: Tensor, count: int) -> Tensor:
    """Look at columns far apart together, whose minima are faster to find than those of few neighbours."""
    groups = scores.unflatten(1, (_GROUP, -1))
    low_groups = groups.amin(1).topk(count, dim=1, largest=False, sorted=False).indices
    within = groups.gather(2, low_groups.unsqueeze(1).expand(-1, _GROUP, -1)).flatten(1)
    found = _sort(within, count)
    columns: Tensor = found // count * groups.shape[2] + low_groups.gather(1, found % count)
    return columns


def _sort(scores: Tensor, count: int) -> Tensor:
    return scores.topk(count, dim=1, largest=False).indices if count > 1 else scores.argmin(1, keepdim=True)
