"""One representation from all decoder maps."""

from __future__ import annotations

import pytest
import torch

from VQSegLib.methods.representation import FeatureExtractor


@pytest.mark.parametrize("dims", [2, 3])
def test_it_has_the_size_of_the_finest_map_and_uses_all_of_them(dims: int) -> None:
    torch.manual_seed(0)
    extractor = FeatureExtractor(dims, (8, 6, 4), 16)
    maps = [torch.randn(2, width, *(side for _ in range(dims))) for width, side in ((8, 2), (6, 4), (4, 8))]
    out = extractor(maps)
    assert out.shape == (2, 16, *(8 for _ in range(dims)))
    for level in range(3):
        changed = [part + 1 if index == level else part for index, part in enumerate(maps)]
        assert not torch.allclose(extractor(changed), out)


def test_a_single_map_is_enough() -> None:
    assert FeatureExtractor(2, (8,), 16)([torch.randn(1, 8, 4, 4)]).shape == (1, 16, 4, 4)
