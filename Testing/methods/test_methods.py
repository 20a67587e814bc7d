"""What every entry of the method table must do, so that no method trains on nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from VQSegLib.methods import METHODS, AnyMethodConfig, Method
from VQSegLib.methods.base import Batch, MethodConfig
from VQSegLib.methods.supervised import SupervisedConfig
from VQSegLib.methods.vqseg_config import VQSegConfig, release_preset

CONFIGS: dict[str, AnyMethodConfig] = {
    "supervised": SupervisedConfig(ema_decay=0.9),
    "vqseg": VQSegConfig(rampup_steps=10, qpm_warmup=0),
    "vqseg-ema-codebook": VQSegConfig(rampup_steps=10, qpm_warmup=0),
    "vqseg-release": release_preset().model_copy(update={"confidence_threshold": None}),
}
TWO_STREAM = sorted(name for name, config in CONFIGS.items() if METHODS[config.name].uses_unlabeled)
AFTER_RAMPUP = 50

MakeMethod = Callable[..., Method]
MakeBatch = Callable[..., Batch]


def build(name: str, make_method: MakeMethod) -> Method:
    config = CONFIGS[name]
    if name.endswith("ema-codebook"):
        return make_method(config, quantizer={"kind": "ema", "codebook_size": 16, "code_dim": 4}).train()
    return make_method(config).train()


def step(method: Method, batch: Batch, number: int = AFTER_RAMPUP) -> tuple[torch.Tensor, dict[str, float]]:
    torch.manual_seed(7)
    loss, logs = method(batch, number)
    return loss, dict(logs)


def test_every_method_is_tested_here() -> None:
    assert {config.name for config in CONFIGS.values()} == set(METHODS)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_the_loss_falls_when_a_batch_is_repeated(name: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = build(name, make_method)
    batch = make_batch(strong_views=CONFIGS[name].strong_views)
    optimizer = torch.optim.AdamW((p for p in method.parameters() if p.requires_grad), lr=0.01)
    supervised = []
    for number in range(25):
        loss, logs = step(method, batch, number)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(number)
        supervised.append(logs["loss/supervised"])
    assert supervised[-1] < 0.6 * supervised[0]


@pytest.mark.parametrize("name", TWO_STREAM)
def test_the_unlabeled_term_counts_and_teaches_the_student(
    name: str, make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    method = build(name, make_method)
    batch = make_batch(strong_views=CONFIGS[name].strong_views)
    assert step(method, batch)[1]["loss/consistency"] > 0
    # Only the strong view changes: the loss must change, and so must the gradient of the student.
    changed = batch._replace(unlabeled_strong=batch.unlabeled_strong + 1.0)
    (loss, logs), (changed_loss, changed_logs) = step(method, batch), step(method, changed)
    assert changed_logs["loss/consistency"] != logs["loss/consistency"]
    assert changed_logs["loss/supervised"] == pytest.approx(logs["loss/supervised"], rel=0.01)
    gradients = [
        torch.autograd.grad(value, method.student.segmentation_decoder.head.weight)[0] for value in (loss, changed_loss)
    ]
    assert not torch.allclose(*gradients)


@pytest.mark.parametrize("name", TWO_STREAM)
def test_without_labels_the_student_still_learns_from_the_pseudo_labels(
    name: str, make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    method = build(name, make_method)
    batch = make_batch(strong_views=CONFIGS[name].strong_views)
    loss, _ = step(method, batch._replace(target=torch.full_like(batch.target, -1)))
    (gradient,) = torch.autograd.grad(loss, method.student.segmentation_decoder.head.weight)
    assert bool((gradient != 0).any())


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_the_teacher_gets_no_gradient_and_moves_only_after_a_step(
    name: str, make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    method = build(name, make_method)
    assert method.teacher is not None
    before = {key: value.clone() for key, value in method.teacher.state_dict().items()}
    loss, _ = step(method, make_batch(strong_views=CONFIGS[name].strong_views))
    loss.backward()
    assert all(p.grad is None and not p.requires_grad for p in method.teacher.parameters())
    assert all(torch.equal(value, before[key]) for key, value in method.teacher.state_dict().items())
    assert method.inference_network() is method.teacher


def test_the_teachers_codebook_follows_the_students(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    """Codes that no gradient trains are buffers: averaged like weights, or the teacher keeps random ones."""
    method = build("vqseg-ema-codebook", make_method)
    assert method.teacher is not None
    start = method.teacher.quantizer.codebook.clone()
    for number in range(3, 8):
        step(method, make_batch(), number)
        method.after_step(number)
    student, teacher = method.student.quantizer.codebook, method.teacher.quantizer.codebook
    assert float((teacher - student).norm()) < float((start - student).norm())
    assert not torch.equal(teacher, start)
    assert not torch.equal(teacher, student)
    assert bool(method.teacher.quantizer.initialized)


@pytest.mark.parametrize("name", TWO_STREAM)
def test_the_teacher_stays_in_evaluation_mode(name: str, make_method: MakeMethod) -> None:
    method = build(name, make_method)
    assert method.student.training
    assert method.teacher is not None
    assert not any(module.training for module in method.teacher.modules())


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_step_depends_on_the_seed_alone(name: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    batch = make_batch(strong_views=CONFIGS[name].strong_views)
    losses = [float(step(build(name, make_method), batch)[0].detach()) for _ in range(2)]
    assert losses[0] == losses[1]


def test_the_base_class_has_no_loss_of_its_own(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = make_method(SupervisedConfig())
    with pytest.raises(NotImplementedError):
        Method.forward(method, make_batch(), 0)
    Method.after_step(method, 0)
    assert Method.inference_network(method) is method.student
    assert MethodConfig().adapt_network(method.student.config) is method.student.config


def test_a_batch_moves_with_all_its_parts(make_batch: MakeBatch) -> None:
    moved = make_batch().to(torch.device("cpu"))
    assert all(a is not None and torch.equal(a, b) for a, b in zip(moved, make_batch(), strict=True))
    few = Batch(moved.labeled, moved.target).to(torch.device("cpu"))
    assert few.unlabeled_weak is None
    assert few.unlabeled_strong is None
