"""Method ``vqseg``: terms against values worked out by hand, the rows of the ablation, QPM, and the feature adapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from VQSegLib.methods import Method
from VQSegLib.methods.base import Batch
from VQSegLib.methods.cutmix import draw_boxes, paste
from VQSegLib.methods.vqseg import VQSeg
from VQSegLib.methods.vqseg_config import VQSegConfig, release_preset
from VQSegLib.models.code_perturbation import CodePerturbationConfig
from VQSegLib.models.usage_loss import usage_loss

MakeMethod = Callable[..., Method]
MakeBatch = Callable[..., Batch]
NO_CHANGE = CodePerturbationConfig(perturbation_rate=0)
BASE = {"qpm": False, "dual_branch": False}
ROWS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "mean teacher": ({**BASE, "vq": False}, set()),
    "vq": (BASE, {"vq/commitment"}),
    "vq, usage": ({**BASE, "usage_weight": 0.1}, {"vq/commitment", "vq/usage"}),
    "vq, qpm": ({"dual_branch": False}, {"vq/commitment", "vq/perturbation_rate"}),
    "vq, qpm on strong": ({"dual_branch": False, "qpm_on": "strong"}, {"vq/commitment", "vq/perturbation_rate"}),
    "vq, qpm, dual branch": ({}, {"vq/commitment", "vq/perturbation_rate", "loss/reconstruction"}),
    "vq, dual branch": ({"qpm": False}, {"vq/commitment", "loss/reconstruction"}),
}
OPTIONAL_TERMS = {"vq/commitment", "vq/usage", "vq/perturbation_rate", "loss/reconstruction", "loss/alignment"}


def step(method: Method, batch: Batch, number: int = 50) -> tuple[torch.Tensor, dict[str, float]]:
    torch.manual_seed(7)
    loss, logs = method.train()(batch, number)
    return loss, dict(logs)


def value(tensor: torch.Tensor) -> float:
    return float(tensor.detach())


@pytest.mark.parametrize("row", sorted(ROWS))
def test_each_row_of_the_ablation_trains_a_step(row: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    switches, terms = ROWS[row]
    method = make_method(VQSegConfig(**switches))
    loss, logs = step(method, make_batch())
    assert logs.keys() & OPTIONAL_TERMS == terms
    assert (method.student.quantizer is None) == (row == "mean teacher")
    assert (method.student.image_decoder is None) == ("dual branch" not in row)
    loss.backward()
    unused = [name for name, p in method.student.named_parameters() if p.grad is None]
    assert not unused
    torch.optim.SGD((p for p in method.parameters() if p.requires_grad), 0.01).step()


def test_no_map_is_cut_where_all_patches_are_decoded(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    """The way back of a cut makes a copy of the whole map."""
    method = make_method(VQSegConfig(dual_branch=False))
    seen = set()
    method.student.segmentation_decoder.register_forward_pre_hook(
        lambda _, given: seen.update(level.grad_fn.name() for level in given[0][:-1])
    )
    step(method, make_batch())
    assert seen
    assert "SliceBackward0" not in seen


def test_the_release_loss_by_hand(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    """(5 L_x + L_u) / 2 + 0.1 (L_vq + L_use), with L_u the mean of two strong views, confident voxels over all."""
    config = release_preset().model_copy(update={"confidence_threshold": 0.6, "code_perturbation": NO_CHANGE})
    # Codes as wide as the features, as in the release: nothing normalizes the latents over the batch.
    method = make_method(config, quantizer={"codebook_size": 16, "code_dim": 16})
    batch, network = make_batch(strong_views=2), method.student
    with torch.no_grad():
        # A head that is sure of some voxels and not of others, in student and teacher alike.
        network.segmentation_decoder.head.weight.mul_(4)
        method.after_step(0)
        confidence, label = network(batch.unlabeled_weak).softmax(1).max(1)
        pseudo = torch.where(confidence >= 0.6, label, -1)
        torch.manual_seed(7)
        views = []
        for image in batch.unlabeled_strong:
            inside = draw_boxes(4, (16, 16), torch.device("cpu"))
            views.append((paste(inside, image, image.flip(0)), paste(inside, pseudo, pseudo.flip(0))))
        supervised = functional.cross_entropy(network(batch.labeled), batch.target)
        unlabeled = [
            functional.cross_entropy(network(image), target, ignore_index=-1, reduction="sum") / target.numel()
            for image, target in views
        ]
        images = torch.cat([batch.labeled, views[0][0], views[1][0]])
        quantized = network.quantize(network.encode(images))
        codes = network.quantizer.codes()[quantized.indices]
        commitment = 1.25 * functional.mse_loss(codes, quantized.latents)
        usage = usage_loss(quantized.latents, network.quantizer.codes())
        expected = (5 * supervised + sum(unlabeled) / 2) / 2 + 0.1 * (commitment + usage)
    assert 0.05 < float((pseudo >= 0).float().mean()) < 0.95
    loss, logs = step(method, batch)
    assert value(loss) == pytest.approx(float(expected), rel=1e-5)
    assert logs["ssl/mask_ratio"] == pytest.approx(float((pseudo >= 0).float().mean()))


@pytest.mark.parametrize("reconstruction_weight", [1, 0.1])
def test_the_papers_loss_by_hand(make_method: MakeMethod, make_batch: MakeBatch, reconstruction_weight: float) -> None:
    """L_seg and L_rec of labeled patches, half strong view and half perturbed code, L_rec of unlabeled ones, L_vq."""
    config = VQSegConfig(
        code_perturbation=NO_CHANGE, qpm_warmup=0, consistency_weight=2, reconstruction_weight=reconstruction_weight
    )
    method = make_method(config, quantizer={"codebook_size": 16, "code_dim": 16})
    batch, network = make_batch(), method.student
    with torch.no_grad():
        pseudo = network(batch.unlabeled_weak).argmax(1)
        terms = {
            "loss/supervised": functional.cross_entropy(network(batch.labeled), batch.target),
            "loss/consistency": functional.cross_entropy(network(batch.unlabeled_strong[0]), pseudo)
            + functional.cross_entropy(network(batch.unlabeled_weak), pseudo),
        }
        errors = []
        for image in (batch.labeled, batch.unlabeled_weak):
            quantized = network.quantize(network.encode(image)).quantized
            errors.append((network.reconstruct(quantized, (16, 16)) - image).abs().mean())
        terms["loss/reconstruction"] = reconstruction_weight * (errors[0] + 2 * errors[1])
        images = torch.cat([batch.labeled, batch.unlabeled_strong[0], batch.unlabeled_weak])
        terms["vq/commitment"] = network.quantize(network.encode(images)).commitment_loss
    loss, logs = step(method, batch)
    for name, term in terms.items():
        assert logs[name] == pytest.approx(float(term), rel=1e-5), name
    assert value(loss) == pytest.approx(float(sum(terms.values())), rel=1e-5)


def test_the_unlabeled_terms_grow_with_the_rampup(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = make_method(VQSegConfig(rampup_steps=10, **BASE))
    early, late = (step(method, make_batch(), number)[1] for number in (0, 10))
    assert late["ssl/consistency_weight"] == 1
    assert early["loss/consistency"] == pytest.approx(0.0067379 * late["loss/consistency"], rel=1e-4)


def test_pseudo_labels_come_from_the_teachers_weak_view(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method, batch = make_method(VQSegConfig(**BASE)), make_batch()
    before = step(method, batch)[1]["loss/consistency"]
    with torch.no_grad():
        method.teacher.segmentation_decoder.head.weight.neg_()
    assert step(method, batch)[1]["loss/consistency"] != before


def test_nothing_is_learned_from_pseudo_labels_that_are_not_confident(
    make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    method = make_method(VQSegConfig(confidence_threshold=0.9999, **BASE))
    _, logs = step(method, make_batch())
    assert logs["ssl/mask_ratio"] == 0
    assert logs["loss/consistency"] == 0


def test_codes_are_perturbed_after_the_warm_up_at_the_given_rate(
    make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    method = make_method(VQSegConfig(qpm_warmup=0.1, code_perturbation=CodePerturbationConfig(refresh_steps=5)))
    batch = make_batch(unlabeled=8)
    assert "vq/perturbation_rate" not in step(method, batch, 9)[1]
    assert float(method.temperature) == 0
    _, logs = step(method, batch, 10)
    assert logs["vq/perturbation_rate"] == pytest.approx(0.7, abs=0.07)
    assert logs["vq/perturbation_jump"] > 0
    assert logs["vq/perturbation_logit_change"] > 0


def test_perturbing_changes_the_unlabeled_term_only(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    batch = make_batch()
    with_qpm, without = (
        step(
            make_method(VQSegConfig(qpm_warmup=0, code_perturbation=CodePerturbationConfig(perturbation_rate=rate))),
            batch,
        )[1]
        for rate in (1.0, 0.0)
    )
    assert with_qpm["loss/consistency"] != without["loss/consistency"]
    for name in ("loss/supervised", "loss/reconstruction", "vq/commitment"):
        assert with_qpm[name] == without[name]


def test_the_temperature_is_calibrated_at_the_refresh_and_survives_a_resume(
    make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    config = VQSegConfig(qpm_warmup=0, code_perturbation=CodePerturbationConfig(refresh_steps=10, target_perplexity=4))
    method = make_method(config)
    step(method, make_batch(), 3)
    first = float(method.temperature)
    assert first > 0
    with torch.no_grad():
        method.student.quantizer.projection.weight.mul_(5)
    step(method, make_batch(), 4)
    assert float(method.temperature) == first
    step(method, make_batch(), 10)
    assert float(method.temperature) > 2 * first
    resumed = make_method(config, seed=1)
    resumed.load_state_dict(method.state_dict())
    assert float(resumed.temperature) == float(method.temperature)


def test_a_given_temperature_is_used(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = make_method(VQSegConfig(qpm_warmup=0, code_perturbation=CodePerturbationConfig(temperature=0.25)))
    step(method, make_batch())
    assert float(method.temperature) == 0.25


def test_the_task_gives_the_codebook_map_no_gradient(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    """Only L_vq and L_use train the map, perturbed codes or not."""
    for weights, is_trained in (({"vq_weight": 0}, False), ({"vq_weight": 1}, True)):
        method = make_method(VQSegConfig(qpm_warmup=0, **weights))
        step(method, make_batch())[0].backward()
        assert bool((method.student.quantizer.projection.weight.grad != 0).any()) is is_trained
    method = make_method(VQSegConfig(qpm_warmup=0, vq_weight=0, usage_weight=0.1))
    step(method, make_batch())[0].backward()
    assert bool((method.student.quantizer.projection.weight.grad != 0).any())


def test_the_perturbed_code_sends_its_gradient_to_the_encoder(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    config = VQSegConfig(dual_branch=False, qpm_warmup=0, vq_weight=0, labeled_weight=0)
    method, batch = make_method(config), make_batch()
    gradients = []
    for strength in (0.0, 1.0):
        weak = batch.unlabeled_weak.clone().requires_grad_()
        step(method, batch._replace(unlabeled_weak=weak))[0].mul(strength).backward()
        gradients.append(weak.grad)
    assert not bool((gradients[0] != 0).any())
    assert bool((gradients[1] != 0).any())


def test_mixed_precision_perturbs_the_same_codes(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    """Codes are float32 under autocast, so the jump is that of float32 codes."""
    method = make_method(VQSegConfig(qpm_warmup=0, code_perturbation=CodePerturbationConfig(temperature=0.1)))
    exact = step(method, make_batch())[1]
    with torch.autocast("cpu", torch.bfloat16):
        mixed = step(method, make_batch())[1]
    assert mixed["vq/perturbation_jump"] == pytest.approx(exact["vq/perturbation_jump"], rel=0.1)
    assert mixed["loss/supervised"] == pytest.approx(exact["loss/supervised"], rel=0.05)


def test_each_image_of_a_cutmix_pair_keeps_its_own_labels(make_method: MakeMethod) -> None:
    """Pseudo-labels are pasted from the partner exactly where its image is."""
    method = make_method(VQSegConfig(cutmix=True, strong_views=2))
    assert isinstance(method, VQSeg)
    label = torch.stack([torch.zeros(16, 16), torch.ones(16, 16)]).long()
    strong = label.float()[None, :, None].repeat(2, 1, 1, 1, 1)
    torch.manual_seed(3)
    images, labels = method._strong_views(strong, label)
    assert torch.equal(images[:, 0].long(), labels)
    assert bool((labels[0] == 1).any() or (labels[1] == 0).any() or (labels[2] == 1).any())


def test_unlabeled_patches_are_required(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    batch = make_batch()
    with pytest.raises(RuntimeError, match="needs unlabeled patches"):
        step(make_method(VQSegConfig()), Batch(batch.labeled, batch.target))


def test_perturbing_needs_a_quantizer(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = make_method(VQSegConfig(qpm_warmup=0, dual_branch=False))
    method.student.quantizer = None
    with pytest.raises(RuntimeError, match="without a quantizer"):
        step(method, make_batch())


@pytest.fixture(scope="module")
def foundation_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random DINOv2 weights in a folder, read by the real loading code."""
    transformers = pytest.importorskip("transformers", reason="the extra 'teacher' is not installed")
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("teacher") / "dinov2"
    config = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14, mlp_ratio=2
    )
    transformers.Dinov2Model(config).save_pretrained(folder)
    return folder


def test_the_feature_adapter_aligns_with_a_frozen_teacher(
    foundation_folder: Path, make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    config = VQSegConfig(pfa=True, foundation_teacher=f"dinov2:{foundation_folder}")
    method, batch = make_method(config), make_batch()
    assert isinstance(method, VQSeg)
    assert method.foundation is not None
    before = [tensor.clone() for tensor in method.foundation.tensors()]
    optimizer = torch.optim.AdamW((p for p in method.parameters() if p.requires_grad), lr=0.01)
    aligned = []
    for _ in range(15):
        loss, logs = step(method, batch, 50)
        loss.backward()
        assert bool((method.adapter.projection.weight.grad != 0).any())
        optimizer.step()
        optimizer.zero_grad()
        aligned.append(logs["loss/alignment"])
    assert 0 < aligned[-1] < aligned[0]
    after = list(method.foundation.tensors())
    assert before
    assert all(torch.equal(a, b) and not b.requires_grad for a, b in zip(before, after, strict=True))
    own = {tensor.untyped_storage().data_ptr() for tensor in method.state_dict().values()}
    assert own.isdisjoint(tensor.untyped_storage().data_ptr() for tensor in after)


def test_the_alignment_weight_grows_over_a_tenth_of_training(
    foundation_folder: Path, make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    method = make_method(VQSegConfig(pfa=True, foundation_teacher=f"dinov2:{foundation_folder}"))
    values = [step(method, make_batch(), number)[1]["loss/alignment"] for number in (0, 4, 9, 50)]
    assert values[0] == pytest.approx(values[3] / 10, rel=1e-5)
    assert values[1] == pytest.approx(values[3] / 2, rel=1e-5)
    assert values[2] == pytest.approx(values[3], rel=1e-5)


def test_pretraining_looks_at_labeled_patches_alone(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method, batch = make_method(VQSegConfig(pretraining_steps=5)), make_batch()
    changed = batch._replace(unlabeled_weak=batch.unlabeled_weak + 1, unlabeled_strong=batch.unlabeled_strong + 1)
    (loss, logs), (same, _) = step(method, batch, 4), step(method, changed, 4)
    assert value(loss) == value(same)
    assert "loss/reconstruction" in logs
    assert "loss/consistency" not in logs
    assert "loss/consistency" in step(method, batch, 5)[1]
