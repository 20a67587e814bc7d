"""Which blocks are exchanged between two views."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from VQSegLib.methods.displacement import confidence, cut_blocks, displace_reliable, displace_unreliable, meaning


def logits_of(blocks: dict[int, float], size: int = 8) -> Tensor:
    """Return logits of one patch of 8 x 8 whose blocks of 2 x 2 favour class 1 by the numbers given, else by 4."""
    score = torch.full((1, size, size), 4.0)
    for index, value in blocks.items():
        row, column = divmod(index, 4)
        score[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = value
    return torch.stack([-score / 2, score / 2], dim=1)


def numbered(start: int) -> Tensor:
    """Return a patch whose blocks hold ``start`` plus their number."""
    number = torch.arange(16.0).reshape(4, 4) + start
    return number.repeat_interleave(2, 0).repeat_interleave(2, 1)[None, None]


@pytest.mark.parametrize(("spatial", "count"), [((8, 8), 16), ((8, 12, 4), 64), ((9, 11), 16), ((3, 8), 12)])
def test_blocks_are_disjoint_and_inside(spatial: tuple[int, ...], count: int) -> None:
    covered = torch.zeros(spatial)
    blocks = cut_blocks(spatial)
    assert len(blocks) == count
    for block in blocks:
        covered[block] += 1
    assert float(covered.max()) == 1
    assert len({covered[block].numel() for block in blocks}) == 1


def test_confidence_and_meaning_are_means_over_blocks() -> None:
    logits, blocks = logits_of({5: -1.0}), cut_blocks((8, 8))
    sure = confidence(logits, blocks)
    assert float(sure[0, 5]) == pytest.approx(torch.sigmoid(torch.tensor(1.0)))
    assert float(sure[0, 0]) == pytest.approx(torch.sigmoid(torch.tensor(4.0)))
    assert float(meaning(logits, blocks)[0, 5].exp()[0]) == pytest.approx(torch.sigmoid(torch.tensor(1.0)))


def test_the_least_sure_block_gets_a_sure_one_that_means_the_same() -> None:
    """View 1 doubts block 3, leaning to class 0; view 2 is surest of 7, 8, 9 (class 1) and 10 (class 0)."""
    first, second = logits_of({3: -0.1}), logits_of({7: 9.0, 8: 9.0, 9: 9.0, 10: -9.0, 12: 0.2})
    views = displace_unreliable((numbered(0), numbered(100)), (first, second))
    changed = (views[0] != numbered(0)).nonzero()
    assert set(map(tuple, changed[:, 2:].tolist())) == {(0, 6), (0, 7), (1, 6), (1, 7)}
    assert float(views[0][0, 0, 0, 6]) == 110
    # View 2 doubts block 12, leaning to class 1: any of view 1's sure blocks means that.
    assert float(views[1][0, 0, 6, 0]) < 100
    assert int((views[1] != numbered(100)).sum()) == 4


def test_both_views_take_from_the_originals_unless_in_turn() -> None:
    """Each view doubts block 0; of the other one exactly block 0 is the one that fits."""
    logits = (logits_of({0: 0.1}), logits_of({0: 0.1}))
    moved = displace_unreliable((numbered(0), numbered(100)), logits, in_turn=True)
    apart = displace_unreliable((numbered(0), numbered(100)), logits)
    assert float(apart[0][0, 0, 0, 0]) > 100
    assert float(apart[1][0, 0, 0, 0]) < 100
    assert torch.equal(moved[0], apart[0])


def test_labeled_blocks_move_with_their_labels() -> None:
    """View 1 is surest of block 5 and gets view 2's doubtful block 14."""
    first, second = logits_of({5: 9.0, 2: 0.1}), logits_of({14: 0.1, 1: 9.0})
    targets = (torch.zeros(1, 8, 8, dtype=torch.long), torch.ones(1, 8, 8, dtype=torch.long))
    views, labels = displace_reliable((numbered(0), numbered(100)), targets, (first, second), 1.0)
    assert float(views[0][0, 0, 2, 2]) == 114
    assert float(views[1][0, 0, 0, 2]) == 2
    assert int(labels[0].sum()) == 4
    assert int((labels[1] == 0).sum()) == 4
    assert bool((labels[0][0, 2:4, 2:4] == 1).all())


def test_no_patch_is_displaced_with_probability_zero() -> None:
    logits, target = (logits_of({}), logits_of({})), torch.zeros(1, 8, 8, dtype=torch.long)
    views, _ = displace_reliable((numbered(0), numbered(100)), (target, target), logits, 0.0)
    assert torch.equal(views[0], numbered(0))
