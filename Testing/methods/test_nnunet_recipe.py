"""Method ``nnunet_recipe``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from VQSegLib.errors import ConfigError
from VQSegLib.methods import Method
from VQSegLib.methods.base import Batch
from VQSegLib.methods.losses import segmentation_loss
from VQSegLib.methods.nnunet_recipe import NnUNetRecipe, NnUNetRecipeConfig

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]
FOUR_STAGES = {"kind": "conv", "channels": (8, 8, 16, 16), "strides": ((1, 1), (2, 2), (2, 2), (2, 2)), "norm": "group"}


def test_the_loss_by_hand(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    """Three decoder maps: the coarsest has no loss, the others weigh 1 and 1/2, normalized to a sum of 1."""
    method, batch = make_method(NnUNetRecipeConfig(), encoder=FOUR_STAGES).train(), make_batch()
    assert isinstance(method, NnUNetRecipe)
    loss, _ = method(batch, 0)
    with torch.no_grad():
        decoder = method.student.segmentation_decoder
        maps = decoder.maps(method.student.encode(batch.labeled))
        assert [level.shape[-1] for level in maps] == [4, 8, 16]
        fine = 2 * segmentation_loss(decoder.head(maps[2]), batch.target, "ce_dice")
        # Of every 2 x 2 voxels the nearest to the middle of the coarse voxel is the last one.
        coarse = 2 * segmentation_loss(method.heads[0](maps[1]), batch.target[:, 1::2, 1::2], "ce_dice")
    assert len(method.heads) == 1
    assert float(loss.detach()) == pytest.approx(float((fine + coarse / 2) / 1.5), rel=1e-4)


def test_a_single_scale_is_plain_training(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method, batch = make_method(NnUNetRecipeConfig(supervised_scales=1), encoder=FOUR_STAGES), make_batch()
    expected = 2 * segmentation_loss(method.student(batch.labeled), batch.target, "ce_dice")
    assert float(method(batch, 0).loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("name", ["nnunet_recipe", "mcnet", "ssnet", "arco"])
def test_a_network_without_decoder_stages_is_refused_in_a_sentence(name: str, make_method: MakeMethod) -> None:
    from VQSegLib.methods.arco import ARCOConfig
    from VQSegLib.methods.mcnet import MCNetConfig
    from VQSegLib.methods.ssnet import SSNetConfig

    config = {"nnunet_recipe": NnUNetRecipeConfig, "mcnet": MCNetConfig, "ssnet": SSNetConfig, "arco": ARCOConfig}[name]
    dinov2 = {"kind": "dinov2", "hidden_size": 24, "num_layers": 4, "num_heads": 2, "image_size": 56}
    dinov2 |= {"layers": (0, 1, 2, 3), "dpt_features": 8, "dpt_channels": (4, 6, 8, 10)}
    with pytest.raises(ConfigError, match="conv, unet, vnet"):
        make_method(config(), encoder=dinov2)
