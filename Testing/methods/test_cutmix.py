"""CutMix boxes."""

from __future__ import annotations

import pytest
import torch

from VQSegLib.methods.cutmix import AREA, draw_boxes, paste


@pytest.mark.parametrize("size", [(40, 60), (24, 24, 32)])
def test_half_of_the_samples_get_one_box_of_the_stated_share(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    inside = draw_boxes(600, size, torch.device("cpu"))
    shares = inside.flatten(1).float().mean(1)
    boxes = shares[shares > 0]
    assert 0.4 < len(boxes) / 600 < 0.6
    assert float(boxes.max()) < AREA[1] + 0.05
    assert float(boxes.min()) > AREA[0] / 3
    assert float(boxes.mean()) == pytest.approx(sum(AREA) / 2, abs=0.05)
    for sample in inside[shares > 0][:20]:
        extent = torch.tensor([sample.flatten().sum()])
        corners = sample.nonzero()
        assert int((corners.max(0).values - corners.min(0).values + 1).prod()) == int(extent)


def test_images_and_labels_are_pasted_at_the_same_place() -> None:
    torch.manual_seed(1)
    inside = draw_boxes(4, (10, 10), torch.device("cpu"))
    assert bool(inside.any())
    image = paste(inside, torch.zeros(4, 2, 10, 10), torch.ones(4, 2, 10, 10))
    label = paste(inside, torch.zeros(4, 10, 10, dtype=torch.int64), torch.ones(4, 10, 10, dtype=torch.int64))
    assert torch.equal(image[:, 0].long(), label)
    assert torch.equal(image[:, 1].long(), label)
    assert torch.equal(label.bool(), inside)
