"""What every entry of the method table must prove, so that no method trains on nothing; docs/methods.md lists it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from VQSegLib.methods import METHODS, AnyMethodConfig, Method
from VQSegLib.methods.abd import ABDConfig
from VQSegLib.methods.arco import ARCOConfig
from VQSegLib.methods.base import Batch, MethodConfig
from VQSegLib.methods.bcp import BCPConfig
from VQSegLib.methods.dropout import DropoutConfig
from VQSegLib.methods.mcnet import MCNetConfig
from VQSegLib.methods.nnunet_recipe import NnUNetRecipeConfig
from VQSegLib.methods.ssnet import SSNetConfig
from VQSegLib.methods.supervised import SupervisedConfig
from VQSegLib.methods.uamt import UAMTConfig
from VQSegLib.methods.unimatch_v1 import UniMatchV1Config
from VQSegLib.methods.unimatch_v2 import UniMatchV2Config
from VQSegLib.methods.vqseg_config import VQSegConfig, release_preset

ROOT = Path(__file__).resolve().parents[2]
CONFIGS: dict[str, AnyMethodConfig] = {
    "supervised": SupervisedConfig(ema_decay=0.9),
    "nnunet_recipe": NnUNetRecipeConfig(),
    "uamt": UAMTConfig(),
    "uamt-release": UAMTConfig(two_class_formula=True),
    "mcnet": MCNetConfig(),
    "mcnet-two-decoders": MCNetConfig(decoders=2, detach_target=True),
    "ssnet": SSNetConfig(),
    "ssnet-release": SSNetConfig(released_memory=True, max_voxels=None),
    "bcp": BCPConfig(),
    # An untrained network is sure of nothing: thresholds that keep every pseudo-label.
    "arco": ARCOConfig(confidence_threshold=0),
    "arco-release": ARCOConfig(confidence_threshold=0, released_rules=True, equivariance_weight=0),
    "abd": ABDConfig(),
    "abd-release": ABDConfig(released_displacement=True),
    "unimatch_v1": UniMatchV1Config(confidence_threshold=0),
    "unimatch_v2": UniMatchV2Config(confidence_threshold=0),
    "dropout": DropoutConfig(),
    "vqseg": VQSegConfig(rampup_steps=10, qpm_warmup=0),
    "vqseg-ema-codebook": VQSegConfig(rampup_steps=10, qpm_warmup=0),
    "vqseg-release": release_preset().model_copy(update={"confidence_threshold": None}),
}
SUPERVISED = {"supervised", "nnunet_recipe"}
NO_STRONG_VIEW = SUPERVISED | {"uamt", "mcnet", "ssnet", "bcp"}
NO_TEACHER = {"nnunet_recipe", "mcnet", "ssnet", "abd", "unimatch_v1"}
SHIPS_ITS_TEACHER = {"supervised", "unimatch_v2", "vqseg"}
AFTER_RAMPUP = 60

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]


def variants(without: set[str]) -> list[str]:
    return sorted(name for name, config in CONFIGS.items() if config.name not in without)


def build(name: str, make_method: MakeMethod, **network: Any) -> Method[Any]:
    if name.endswith("ema-codebook"):
        network["quantizer"] = {"kind": "ema", "codebook_size": 16, "code_dim": 4}
    return make_method(CONFIGS[name], **network).train()


def step(method: Method[Any], batch: Batch, number: int = AFTER_RAMPUP) -> tuple[torch.Tensor, dict[str, float]]:
    torch.manual_seed(7)
    loss, logs = method(batch, number)
    return loss, dict(logs)


def draw(name: str, make_batch: MakeBatch) -> Batch:
    return make_batch(strong_views=CONFIGS[name].strong_views or 1)


def head_gradient(loss: torch.Tensor, method: Method[Any]) -> torch.Tensor:
    (gradient,) = torch.autograd.grad(loss, method.student.segmentation_decoder.head.weight)
    return gradient


def test_every_method_is_tested_here() -> None:
    assert {config.name for config in CONFIGS.values()} == set(METHODS)


def test_the_documentation_says_which_proof_applies_to_which_method() -> None:
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    table = {row[0].strip("`"): [cell.startswith("yes") for cell in row[1:]] for row in rows if len(row) == 7}
    expected = {
        # unlabeled term, its gradient, strong view, teacher without gradient, buffers follow, learns a patch
        name: [
            name not in SUPERVISED,
            name not in SUPERVISED,
            name not in NO_STRONG_VIEW,
            name not in NO_TEACHER | {"supervised"},
            name not in NO_TEACHER | {"supervised"},
            True,
        ]
        for name in METHODS
    }
    assert table == expected


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_the_loss_falls_when_a_batch_is_repeated(name: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = build(name, make_method)
    batch = draw(name, make_batch)
    optimizer = torch.optim.AdamW((p for p in method.parameters() if p.requires_grad), lr=0.01)
    supervised = []
    for number in range(25):
        loss, logs = step(method, batch, number)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(number)
        supervised.append(logs["loss/supervised"])
    assert supervised[-1] < 0.8 * max(supervised)


@pytest.mark.parametrize("name", variants(without=SUPERVISED))
def test_the_unlabeled_term_counts(name: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method, batch = build(name, make_method), draw(name, make_batch)
    logs = step(method, batch)[1]
    assert logs["loss/consistency"] > 0
    # Only the unlabeled patches change: the loss must change.
    changed = batch._replace(
        unlabeled_weak=batch.weak + 1.0,
        unlabeled_strong=None if batch.unlabeled_strong is None else batch.strong + 1.0,
    )
    assert step(method, changed)[1]["loss/consistency"] != logs["loss/consistency"]


@pytest.mark.parametrize("name", variants(without=SUPERVISED))
def test_without_labels_the_student_still_learns(name: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method, batch = build(name, make_method), draw(name, make_batch)
    if name.startswith("ssnet"):
        return  # what it learns without labels is tested in test_ssnet.py: prototypes need labels first
    loss, logs = step(method, batch._replace(target=torch.full_like(batch.target, -1)))
    assert logs["loss/supervised"] == 0
    assert bool((head_gradient(loss, method) != 0).any())


@pytest.mark.parametrize("name", variants(without=NO_STRONG_VIEW))
def test_the_strong_view_alone_changes_the_loss_and_the_gradient(
    name: str, make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    method, batch = build(name, make_method), draw(name, make_batch)
    changed = batch._replace(unlabeled_strong=batch.strong + 1.0)
    (loss, logs), (changed_loss, changed_logs) = step(method, batch), step(method, changed)
    assert changed_logs["loss/consistency"] != logs["loss/consistency"]
    assert changed_logs["loss/supervised"] == pytest.approx(logs["loss/supervised"], rel=0.01)
    assert not torch.allclose(head_gradient(loss, method), head_gradient(changed_loss, method))


@pytest.mark.parametrize("name", variants(without=NO_TEACHER))
def test_the_teacher_gets_no_gradient_and_moves_only_after_a_step(
    name: str, make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    method = build(name, make_method, encoder={**ENCODER, "norm": "batch"})
    assert method.teacher is not None
    before = {key: value.clone() for key, value in method.teacher.state_dict().items()}
    loss, _ = step(method, draw(name, make_batch))
    loss.backward()
    assert all(p.grad is None and not p.requires_grad for p in method.teacher.parameters())
    assert all(torch.equal(value, before[key]) for key, value in method.teacher.state_dict().items())
    if name not in SUPERVISED:
        assert not any(module.training for module in method.teacher.modules())


ENCODER = {"kind": "conv", "channels": (8, 16), "strides": ((1, 1), (2, 2))}


@pytest.mark.parametrize("name", variants(without=NO_TEACHER))
def test_the_teachers_buffers_follow_the_students(name: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    """Batch statistics are buffers: averaged like weights, or the teacher normalizes by those of a new network."""
    method = build(name, make_method, encoder={**ENCODER, "norm": "batch"})
    assert method.teacher is not None
    start = {key: value.clone() for key, value in method.teacher.named_buffers() if value.is_floating_point()}
    for number in range(30, 36):
        step(method, draw(name, make_batch), number)
        method.after_step(number)
    student, teacher = dict(method.student.named_buffers()), dict(method.teacher.named_buffers())
    moved = [key for key in start if not torch.equal(student[key], start[key])]
    assert any("running_mean" in key for key in moved)
    for key in moved:
        assert not torch.equal(teacher[key], start[key]), key
        assert float((teacher[key] - student[key]).norm()) < float((start[key] - student[key]).norm()), key


@pytest.mark.parametrize("kind", ["simvq", "ema"])
def test_the_teachers_codebook_follows_the_students(kind: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    """SimVQ's codes move with the projection that is learned, an EMA codebook by itself."""
    quantizer = {"kind": kind, "codebook_size": 16, "code_dim": 4}
    method = make_method(CONFIGS["vqseg"], quantizer=quantizer).train()
    assert method.teacher is not None
    start = method.teacher.quantizer.codes().detach().clone()
    optimizer = torch.optim.SGD((p for p in method.parameters() if p.requires_grad), lr=0.1)
    for number in range(3, 8):
        step(method, make_batch(), number)[0].backward()
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(number)
    student, teacher = (network.quantizer.codes().detach() for network in (method.student, method.teacher))
    assert float((teacher - student).norm()) < float((start - student).norm())
    assert not torch.equal(teacher, start)
    assert not torch.equal(teacher, student)


@pytest.mark.parametrize("name", variants(without=set()))
def test_what_is_shipped_is_a_plain_network(name: str, make_method: MakeMethod) -> None:
    method = build(name, make_method)
    shipped = method.inference_network()
    ships_teacher = CONFIGS[name].name in SHIPS_ITS_TEACHER
    assert shipped is (method.teacher if ships_teacher else method.student)
    assert shipped.state_dict().keys() == method.student.state_dict().keys()


@pytest.mark.parametrize("name", ["uamt", "bcp", "arco", "dropout", "vqseg", "unimatch_v2"])
def test_either_network_can_be_shipped(name: str, make_method: MakeMethod) -> None:
    for wanted in ("student", "teacher"):
        method = make_method(CONFIGS[name].model_copy(update={"inference": wanted}))
        assert method.inference_network() is getattr(method, wanted)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_step_depends_on_the_seed_alone(name: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    batch = draw(name, make_batch)
    losses = [float(step(build(name, make_method), batch)[0].detach()) for _ in range(2)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_step_in_mixed_precision_loses_about_the_same(
    name: str, make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    """A GPU trains in bfloat16; what needs all digits must keep them."""
    method, batch = build(name, make_method), draw(name, make_batch)
    exact = step(build(name, make_method), batch)[0]
    with torch.autocast("cpu", torch.bfloat16):
        loss = step(method, batch)[0]
    loss.backward()
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(float(exact.detach()), rel=0.1)
    assert all(bool(p.grad.isfinite().all()) for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", variants(without=set()))
def test_networks_whose_finest_map_is_coarser_than_the_input_train_too(
    name: str, make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    method = build(name, make_method, encoder={**ENCODER, "strides": ((2, 2), (2, 2))})
    assert bool(step(method, draw(name, make_batch))[0].isfinite())


@pytest.mark.parametrize("name", variants(without=SUPERVISED))
def test_unlabeled_patches_are_required(name: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    batch = draw(name, make_batch)
    with pytest.raises(RuntimeError, match="needs unlabeled patches"):
        step(build(name, make_method), batch._replace(unlabeled_weak=None, unlabeled_strong=None))


@pytest.mark.parametrize("name", variants(without=NO_STRONG_VIEW))
def test_strong_views_are_required(name: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    with pytest.raises(RuntimeError, match="needs strong views"):
        step(build(name, make_method), draw(name, make_batch)._replace(unlabeled_strong=None))


def test_the_base_class_has_no_loss_of_its_own(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = make_method(SupervisedConfig())
    with pytest.raises(NotImplementedError):
        Method.forward(method, make_batch(), 0)
    Method.after_step(method, 0)
    assert Method.inference_network(method) is method.student
    adapted = MethodConfig(name="any").adapt_network(method.student.config)
    assert (adapted.quantizer, adapted.image_decoder) == (None, False)


def test_a_batch_moves_with_all_its_parts(make_batch: MakeBatch) -> None:
    moved = make_batch().to(torch.device("cpu"))
    assert all(a is not None and torch.equal(a, b) for a, b in zip(moved, make_batch(), strict=True))
    few = Batch(moved.labeled, moved.target).to(torch.device("cpu"))
    assert few.unlabeled_weak is None
    assert few.unlabeled_strong is None


def test_methods_share_few_lines_and_step_no_optimizer() -> None:
    """One idea per file: what several methods need is a part they import, and the trainer owns the optimizer."""
    files = {path.name: path for path in (ROOT / "VQSegLib" / "methods").glob("*.py") if path.name != "__init__.py"}
    lines = {
        name: [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if len(line.strip()) >= 12]
        for name, path in files.items()
    }
    shared = 0
    for name, own in lines.items():
        elsewhere = {line for other, found in lines.items() if other != name for line in found}
        shared += sum(line in elsewhere for line in own)
        text = files[name].read_text(encoding="utf-8")
        assert "optim" not in text.replace("optimizer", ""), name
        assert ".backward(" not in text, name
    assert shared <= 0.3 * sum(map(len, lines.values()))
