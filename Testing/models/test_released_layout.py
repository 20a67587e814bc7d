"""The importer against the released network's own results, and refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from VQSegLib.errors import ModelFileError
from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.checkpoint import Model, load_checkpoint
from VQSegLib.models.config import Dinov2EncoderConfig
from VQSegLib.models.released_layout import import_released

DATA = Path(__file__).parents[1] / "data"


def fill(name: str, shape: list[int], number: int) -> np.ndarray:
    """Fill rule of the layout file."""
    values = np.random.RandomState(number).standard_normal(shape).astype("float32")
    if name.endswith(("pos_embed", "cls_token", "mask_token")):
        return values * np.float32(0.02)
    if "codebook" in name:
        return values
    if len(shape) == 1:
        is_scale = name.endswith("gamma") or ("norm" in name and name.endswith("weight"))
        return np.float32(1) + np.float32(0.1) * values if is_scale else np.float32(0.02) * values
    return values / np.float32(np.sqrt(np.prod(shape[1:])))


@pytest.fixture(scope="module")
def released() -> dict[str, torch.Tensor]:
    shapes = json.loads((DATA / "released_checkpoint_layout.json").read_text())["tensors"]
    return {
        name: torch.zeros(shapes[name], dtype=torch.int64)
        if name.endswith(("code_use_count", "total_tokens"))
        else torch.from_numpy(fill(name, shapes[name], number))
        for number, name in enumerate(sorted(shapes))
    }


@pytest.fixture(scope="module")
def imported(released: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("released")
    torch.save(released, folder / "best.pth")
    import_released(folder / "best.pth", folder / "m.safetensors", labels=None, name="VQ-Seg ACDC")
    return load_checkpoint(folder / "m.safetensors")


@pytest.fixture(scope="module")
def oracle() -> dict[str, np.ndarray]:
    return dict(np.load(DATA / "released_checkpoint_oracle.npz"))


def oracle_input(size: int) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(1000 + size).standard_normal((2, 3, size, size)).astype("float32"))


def test_same_codes_and_logits_as_the_released_network(imported: Model, oracle: dict[str, np.ndarray]) -> None:
    network, different_codes = imported.network, 0
    for size in (224, 252):
        x = oracle_input(size)
        expected = torch.from_numpy(oracle[f"indices_{size}"].astype("int64"))
        with torch.inference_mode():
            features = network.encode(x)
            indices = network.quantizer(features[-1]).indices
            forced = network.quantizer.indices_to_features(expected.reshape(indices.shape))
            logits = network.decode(features, forced, x.shape[2:])[..., ::4, ::4].numpy()
        different_codes += int((indices.flatten(1) != expected).sum())
        difference = np.abs(logits - oracle[f"logits_{size}_stride4"])
        assert (difference <= 1e-3).mean() >= 0.999
    assert different_codes <= 1


def test_card_of_an_import(imported: Model) -> None:
    card = imported.card
    assert (card.name, card.network.num_classes, card.network.in_channels) == ("VQ-Seg ACDC", 4, 3)
    assert card.network.encoder == Dinov2EncoderConfig()
    assert card.network.quantizer is not None
    assert (card.network.quantizer.codebook_size, card.network.quantizer.code_dim) == (16384, 384)
    assert card.preprocessing.mean == (0.485, 0.456, 0.406)
    assert card.training is None
    assert [label.name for label in card.labels.labels] == ["Class 1", "Class 2", "Class 3"]


@pytest.fixture
def small() -> dict[str, torch.Tensor]:
    """The released layout, narrower, so that the refusals are tested fast."""
    narrower = {384: 64, 1152: 192, 1536: 256, 16384: 32, 1370: 5}
    shapes = json.loads((DATA / "released_checkpoint_layout.json").read_text())["tensors"]
    return {name: torch.rand([narrower.get(side, side) for side in shape]) for name, shape in shapes.items()}


def save(state: object, folder: Path, **kwargs: bool) -> Path:
    path = folder / "veröffentlicht 1.pth"
    torch.save(state, path, **kwargs)
    return path


def refusal(path: Path, labels: LabelTable | None = None) -> str:
    out = path.with_name("out.safetensors")
    with pytest.raises(ModelFileError) as caught:
        import_released(path, out, labels=labels, name="x")
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert path.name in sentence
    assert not out.exists()
    return sentence


@pytest.mark.parametrize("wrapper", ["none", "module.", "model", "state_dict"])
@pytest.mark.parametrize("zipped", [True, False])
def test_usual_wrappers_give_the_same_model(
    small: dict[str, torch.Tensor], tmp_path: Path, wrapper: str, zipped: bool
) -> None:
    state: object = small
    if wrapper == "module.":
        state = {f"module.{name}": tensor for name, tensor in small.items()}
    elif wrapper != "none":
        state = {wrapper: small, "epoch": 3, "best": 0.9}
    path = save(state, tmp_path, _use_new_zipfile_serialization=zipped)
    labels = LabelTable(labels=tuple(Label(value=v, name=f"L{v}", color=(v, v, v)) for v in (5, 6, 7)))
    assert import_released(path, tmp_path / "m.safetensors", labels=labels, name="x").labels == labels
    network = load_checkpoint(tmp_path / "m.safetensors").network
    tensors = network.state_dict()
    joint = small["model.backbone.blocks.7.attn.qkv.weight"]
    parts = [tensors[f"encoder.backbone.encoder.layer.7.attention.{part}.weight"] for part in ("query", "key", "value")]
    assert torch.equal(torch.cat(parts), joint)
    assert torch.equal(tensors["quantizer.codebook"], small["model.vq.codebook.weight"])


class _RunsCode:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickle_that_would_run_code_is_refused_and_does_not_run(
    small: dict[str, torch.Tensor], tmp_path: Path, zipped: bool
) -> None:
    marker = tmp_path / "the code ran"
    state = {"model": small, "extra": _RunsCode(marker)}
    path = save(state, tmp_path, _use_new_zipfile_serialization=zipped)
    assert "could run code" in refusal(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists(), "the pickle of this test must be one that runs code"


def test_missing_file(tmp_path: Path) -> None:
    assert "There is no checkpoint" in refusal(tmp_path / "none.pth")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.0001, 0.1, 0.5, 0.99])
def test_truncated_file(small: dict[str, torch.Tensor], tmp_path: Path, kept: float, zipped: bool) -> None:
    path = save(small, tmp_path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert "damaged or cut short" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"plain text"])
def test_file_that_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.pth"
    path.write_bytes(content)
    assert "is not a torch checkpoint" in refusal(path)


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": 1}, torch.zeros(2)])
def test_pickle_without_a_state_dict(tmp_path: Path, content: object) -> None:
    assert "is not a torch checkpoint with a state_dict" in refusal(save(content, tmp_path))


def test_checkpoint_of_another_network(small: dict[str, torch.Tensor], tmp_path: Path) -> None:
    assert "is not a released VQ-Seg network" in refusal(save(torch.nn.Linear(2, 2).state_dict(), tmp_path))
    shallow = {name: tensor for name, tensor in small.items() if ".blocks.11." not in name}
    assert "has 11 transformer blocks" in refusal(save(shallow, tmp_path))


def test_missing_and_unexpected_tensors(small: dict[str, torch.Tensor], tmp_path: Path) -> None:
    norm = small.pop("model.backbone.norm.weight")
    assert "lacks 1 tensors, first 'backbone.norm.weight'" in refusal(save(small, tmp_path))
    small |= {"model.backbone.norm.weight": norm, "model.head.extra": norm}
    assert "has unexpected 1 tensors, first 'head.extra'" in refusal(save(small, tmp_path))


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("model.backbone.blocks.3.attn.qkv.weight", (190, 64), "layer.3.attention.value.weight' of shape (62, 64)"),
        ("model.backbone.norm.weight", (63,), "of shape (63,) where its network needs (64,)"),
        ("model.backbone.pos_embed", (5, 64), "in another shape"),
        ("model.head.projects.2.weight", (), "in another shape"),
        ("model.vq.codebook.weight", (1, 64), "in another shape"),
    ],
)
def test_wrong_shapes(
    small: dict[str, torch.Tensor], tmp_path: Path, name: str, shape: tuple[int, ...], reason: str
) -> None:
    small[name] = torch.zeros(shape)
    assert reason in refusal(save(small, tmp_path))


def test_label_table_must_fit(small: dict[str, torch.Tensor], tmp_path: Path) -> None:
    labels = LabelTable(labels=(Label(value=1, name="A", color=(1, 2, 3)),))
    assert "has 3 classes without background, the label table 1" in refusal(save(small, tmp_path), labels)


def test_existing_model_is_not_overwritten(small: dict[str, torch.Tensor], tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_text("precious")
    with pytest.raises(ModelFileError, match="exists already"):
        import_released(save(small, tmp_path), tmp_path / "m.safetensors", labels=None, name="x")
    assert (tmp_path / "m.safetensors").read_text() == "precious"
