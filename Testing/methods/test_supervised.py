"""Method ``supervised``."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError

from VQSegLib.methods import Method
from VQSegLib.methods.base import Batch
from VQSegLib.methods.losses import segmentation_loss
from VQSegLib.methods.supervised import SupervisedConfig


def test_the_network_has_neither_quantizer_nor_image_decoder(make_method: Callable[..., Method]) -> None:
    method = make_method(SupervisedConfig())
    assert method.student.quantizer is None
    assert method.student.image_decoder is None


@pytest.mark.parametrize("kind", ["ce", "ce_dice"])
def test_the_loss_is_that_of_the_labeled_patches(
    kind: str, make_method: Callable[..., Method], make_batch: Callable[..., Batch]
) -> None:
    method, batch = make_method(SupervisedConfig(segmentation_loss=kind)), make_batch()
    loss, logs = method(batch, 0)
    expected = segmentation_loss(method.student(batch.labeled), batch.target, kind)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()))
    assert logs["loss/supervised"] == pytest.approx(float(expected.detach()))


def test_without_average_the_student_is_used(make_method: Callable[..., Method]) -> None:
    method = make_method(SupervisedConfig())
    assert method.teacher is None
    assert method.inference_network() is method.student
    method.after_step(0)


def test_with_average_the_teacher_follows(make_method: Callable[..., Method]) -> None:
    method = make_method(SupervisedConfig(ema_decay=0.5))
    head = method.student.segmentation_decoder.head
    with torch.no_grad():
        head.bias.add_(1)
    before = method.inference_network().segmentation_decoder.head.bias.clone()
    method.after_step(10)
    assert torch.allclose(method.inference_network().segmentation_decoder.head.bias, (before + head.bias) / 2)


def test_impossible_decay_is_refused() -> None:
    with pytest.raises(ValidationError, match="ema_decay"):
        SupervisedConfig(ema_decay=1.0)
