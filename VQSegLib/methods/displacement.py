"""Exchange of blocks between two views of a patch, steered by confidence (ABD)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

BLOCKS_PER_SIDE = 4
_RELIABLE = 0.25
"""Share of the other view's blocks, the most confident ones, that a block may come from."""

Block = tuple[slice, ...]


def cut_blocks(spatial: Sequence[int]) -> list[Block]:
    """Return the places of 4 blocks per side; voxels left over at the far end belong to none."""
    sides = [max(1, side // BLOCKS_PER_SIDE) for side in spatial]
    counts = [min(BLOCKS_PER_SIDE, side) for side in spatial]
    return [
        tuple(slice(at * side, (at + 1) * side) for at, side in zip(place, sides, strict=True))
        for place in product(*(range(count) for count in counts))
    ]


def confidence(logits: Tensor, blocks: Sequence[Block]) -> Tensor:
    """Return the mean largest probability ``(B, blocks)`` of logits ``(B, C, *spatial)``."""
    largest = logits.float().softmax(1).amax(1)
    return torch.stack([largest[(slice(None), *block)].flatten(1).mean(1) for block in blocks], dim=1)


def meaning(logits: Tensor, blocks: Sequence[Block]) -> Tensor:
    """Return log-probabilities ``(B, blocks, C)`` of each block's mean logits."""
    means = [logits[(slice(None), slice(None), *block)].float().flatten(2).mean(2) for block in blocks]
    return torch.stack(means, dim=1).log_softmax(2)


def displace_unreliable(
    views: tuple[Tensor, Tensor], logits: tuple[Tensor, Tensor], *, in_turn: bool = False
) -> tuple[Tensor, Tensor]:
    """Overwrite each view's least confident block by one of the other view that is confident and means the same.

    Args:
        views: Two views ``(B, C, *spatial)`` of the same patches.
        logits: What their networks say of them.
        in_turn: Let the second view take from the overwritten first one.

    Returns:
        New views; unless ``in_turn`` both take from the views as they were.
    """
    blocks = cut_blocks(views[0].shape[2:])
    sure = [confidence(each, blocks) for each in logits]
    means = [meaning(each, blocks) for each in logits]
    displaced = [view.clone() for view in views]
    sources = displaced if in_turn else views
    candidates = max(1, round(_RELIABLE * len(blocks)))
    for own, other in ((0, 1), (1, 0)):
        for patch in range(len(views[own])):
            worst = int(sure[own][patch].argmin())
            reliable = sure[other][patch].topk(candidates).indices
            here = means[own][patch, worst]
            difference = (here.exp() * (here - means[other][patch, reliable])).sum(1)
            source = int(reliable[difference.argmin()])
            _move(displaced[own][patch], blocks[worst], sources[other][patch], blocks[source])
    return displaced[0], displaced[1]


def displace_reliable(
    views: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor], logits: tuple[Tensor, Tensor], probability: float
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Overwrite each labeled view's most confident block by the other view's least confident one, label included.

    Args:
        views: Two views ``(B, C, *spatial)`` of the same labeled patches.
        targets: Their targets ``(B, *spatial)``.
        logits: What their networks say of them.
        probability: Share of patches this is done to.
    """
    blocks = cut_blocks(views[0].shape[2:])
    sure = [confidence(each, blocks) for each in logits]
    images, labels = [view.clone() for view in views], [target.clone() for target in targets]
    chosen = (torch.rand(len(views[0])) < probability).nonzero()[:, 0].tolist()
    for own, other in ((0, 1), (1, 0)):
        for patch in chosen:
            best, worst = blocks[int(sure[own][patch].argmax())], blocks[int(sure[other][patch].argmin())]
            _move(images[own][patch], best, views[other][patch], worst)
            labels[own][patch][best] = targets[other][patch][worst]
    return (images[0], images[1]), (labels[0], labels[1])


def _move(into: Tensor, place: Block, source: Tensor, found: Block) -> None:
    into[(slice(None), *place)] = source[(slice(None), *found)]
