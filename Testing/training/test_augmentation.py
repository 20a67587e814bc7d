"""Weak views move image and target together; strong views change intensities only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from VQSegLib.training.augmentation import strong_view, weak_view
from VQSegLib.training.config import AugmentationConfig

STILL = AugmentationConfig(rotation_degrees=0, scale=0, mirror_left_right=False)
MIRROR = AugmentationConfig(rotation_degrees=0, scale=0, mirror_left_right=True)


def blob(size: tuple[int, ...]) -> torch.Tensor:
    """Return a smooth asymmetric shape off the centre."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in size), indexing="ij")
    return sum((axis - 0.15) ** 2 * (1 + index) for index, axis in enumerate(axes)) < 0.4


@pytest.mark.parametrize(("patch", "cut"), [((24, 30), (34, 42)), ((16, 20, 24), (22, 28, 34)), ((7, 9), (9, 13))])
def test_an_unturned_view_is_the_middle_of_what_was_cut(patch: tuple[int, ...], cut: tuple[int, ...]) -> None:
    image = torch.rand(2, *cut, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 5, cut, generator=torch.Generator().manual_seed(1))
    view = weak_view(image, target, patch, STILL, None, np.random.default_rng(0))
    middle = tuple(slice((a - b) // 2, (a - b) // 2 + b) for a, b in zip(cut, patch, strict=True))
    assert torch.allclose(view.image, image[(slice(None), *middle)], atol=1e-5)
    assert torch.equal(view.target, target[middle])


@pytest.mark.parametrize("size", [(32, 40), (20, 24, 28)])
def test_image_and_target_move_together(size: tuple[int, ...]) -> None:
    cut = tuple(side + 2 * round(side * 0.2) for side in size)
    shape = blob(cut)
    config = AugmentationConfig(rotation_degrees=30, scale=0.3)
    moved = []
    for seed in range(10):
        view = weak_view(shape.float()[None], shape.long(), size, config, (0, 1), np.random.default_rng(seed))
        assert view.target is not None
        assert view.image.shape == (1, *size)
        # Linear and nearest interpolation differ on the surface alone.
        assert float(((view.image[0] > 0.5) != (view.target == 1)).float().mean()) < 0.03
        moved.append(view.target)
    assert not any(torch.equal(moved[0], other) for other in moved[1:])


def test_corners_beyond_the_cut_repeat_its_border() -> None:
    config = AugmentationConfig(rotation_degrees=45, scale=0)
    for seed in range(5):
        view = weak_view(
            torch.full((1, 12, 12), 0.5), torch.full((12, 12), 2), (12, 12), config, None, np.random.default_rng(seed)
        )
        assert torch.allclose(view.image, torch.tensor(0.5), atol=1e-5)
        assert view.target is not None
        assert bool((view.target == 2).all())


def seen_bar(config: AugmentationConfig, seed: int) -> tuple[float, int]:
    """Return angle in degrees and length in pixels of a horizontal bar of 29 pixels after augmentation."""
    bar = torch.zeros(1, 65, 65)
    bar[0, 32, 18:47] = 1
    seen = weak_view(bar, None, (65, 65), config, None, np.random.default_rng(seed)).image[0] > 0.3
    j, i = np.nonzero(seen.numpy())
    return float(np.degrees(np.arctan(np.polyfit(i, j, 1)[0]))), int(i.max() - i.min() + 1)


def test_the_whole_range_of_angles_and_sizes_is_used() -> None:
    turned = AugmentationConfig(rotation_degrees=20, scale=0, mirror_left_right=False)
    angles = [seen_bar(turned, seed)[0] for seed in range(60)]
    assert -21 < min(angles) < -15
    assert 15 < max(angles) < 21
    scaled = AugmentationConfig(rotation_degrees=0, scale=0.2, mirror_left_right=False)
    lengths = [seen_bar(scaled, seed)[1] for seed in range(60)]
    assert 29 / 1.2 - 2 < min(lengths) < 27
    assert 33 < max(lengths) < 29 / 0.8 + 3


def test_mirroring_swaps_left_and_right_labels_along_the_last_axis() -> None:
    image = torch.arange(6.0).expand(1, 4, 6).clone()
    target = torch.tensor([1, 1, 0, 2, 3, -1]).expand(4, 6)
    seen = set()
    for seed in range(20):
        view = weak_view(image, target, (4, 6), MIRROR, (0, 3, 2, 1), np.random.default_rng(seed))
        assert view.target is not None
        row = tuple(view.target[0].tolist())
        seen.add(row)
        order = [5, 4, 3, 2, 1, 0] if row[0] == -1 else [0, 1, 2, 3, 4, 5]
        assert torch.allclose(view.image[0, 0], torch.tensor(order).float(), atol=1e-5)
    assert seen == {(1, 1, 0, 2, 3, -1), (-1, 1, 2, 0, 3, 3)}


@pytest.mark.parametrize(("config", "mirror"), [(MIRROR, None), (STILL, (0, 1))])
def test_nothing_is_mirrored_without_partners_or_when_switched_off(
    config: AugmentationConfig, mirror: tuple[int, ...] | None
) -> None:
    image = torch.arange(6.0).expand(1, 4, 6)
    for seed in range(20):
        view = weak_view(image, None, (4, 6), config, mirror, np.random.default_rng(seed))
        assert view.target is None
        assert torch.allclose(view.image, image, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 24, 24), (3, 24, 24), (1, 12, 14, 16)])
def test_a_strong_view_keeps_the_geometry(shape: tuple[int, ...]) -> None:
    image = blob(shape[1:]).float().expand(shape).contiguous()
    before = image.clone()
    config = AugmentationConfig(noise=0.02, blur_voxels=0.6)
    views = [strong_view(image, config, np.random.default_rng(seed)) for seed in range(20)]
    assert torch.equal(image, before)
    for view in views:
        assert view.shape == image.shape
        assert bool(torch.isfinite(view).all())
        middle = (view.min() + view.max()) / 2
        assert float(((view > middle) != (image > 0.5)).float().mean()) < 0.02
        assert not torch.equal(view, image)
    assert not torch.equal(views[0], views[1])


def test_a_blurred_view_has_no_frame() -> None:
    """Constant tissue up to the border must stay constant there."""
    config = AugmentationConfig(brightness=0, contrast=0, gamma=0, noise=0, blur_voxels=1)
    image = torch.full((1, 16, 16), -1.0)
    for seed in range(10):
        assert torch.allclose(strong_view(image, config, np.random.default_rng(seed)), image, atol=1e-4)


def test_switched_off_strong_augmentation_changes_nothing() -> None:
    off = AugmentationConfig(brightness=0, contrast=0, gamma=0, noise=0, blur_voxels=0)
    image = torch.rand(1, 8, 8)
    assert torch.equal(strong_view(image, off, np.random.default_rng(0)), image)


def test_views_carry_no_meta_data_and_depend_on_the_seed_alone() -> None:
    image = torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(0))
    config = AugmentationConfig()
    for make in (
        lambda rng: weak_view(image, None, (12, 12), config, (0,), rng).image,
        lambda rng: strong_view(image, config, rng),
    ):
        first, second = make(np.random.default_rng(5)), make(np.random.default_rng(5))
        assert type(first) is torch.Tensor
        assert torch.equal(first, second)
