"""Model files: round trip, integrity and one clear sentence for every kind of wrong file."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from VQSegLib.errors import ModelFileError
from VQSegLib.labels import Label, LabelTable
from VQSegLib.models import model_file
from VQSegLib.models.card import ModelCard, ModelReference, Scores, TrainingRecord
from VQSegLib.models.checkpoint import load_checkpoint, read_card, save_checkpoint
from VQSegLib.models.config import ConvEncoderConfig, NetworkConfig, PreprocessingConfig, QuantizerConfig
from VQSegLib.models.network import build_network

LABELS = LabelTable(
    labels=(Label(value=3, name="Rückenmark", color=(1, 2, 3)), Label(value=7, name="B", color=(4, 5, 6)))
)
NETWORK = NetworkConfig(
    num_classes=3,
    encoder=ConvEncoderConfig(channels=(8, 16), strides=((1, 1), (2, 2))),
    quantizer=QuantizerConfig(codebook_size=8, code_dim=4),
)


def make_card(**changes: object) -> ModelCard:
    fields: dict[str, object] = {
        "name": "demo",
        "network": NETWORK,
        "preprocessing": PreprocessingConfig(window_low=-160, window_high=240),
        "labels": LABELS,
        "training": TrainingRecord(method="vqseg", config={"steps": 5}, seed=1, image_sha256=("a" * 64,)),
        "validation": Scores(split="validation", cases=2, mean={"dice": 0.5}, per_label={"B": {"dice": None}}),
        "parent": ModelReference(name="old", sha256="b" * 64),
    }
    return ModelCard.model_validate(fields | changes)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(NETWORK)


@pytest.fixture
def saved(tmp_path: Path, network: torch.nn.Module) -> Path:
    path = tmp_path / "mein Modell ü.safetensors"
    save_checkpoint(path, network, make_card())
    return path


def rewrite_header(path: Path, change: object) -> Path:
    """Rewrite header and hash consistently, as a foreign writer could."""
    content = path.read_bytes()
    length = struct.unpack_from("<Q", content)[0]
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    change(header)  # type: ignore[operator]
    entries = {name: model_file.TensorEntry(**entry) for name, entry in header.items() if name != "__metadata__"}
    metadata = header.get("__metadata__", {})
    if model_file.CARD_KEY in metadata:
        metadata[model_file.SHA256_KEY] = model_file.compute_sha256(
            metadata[model_file.CARD_KEY], entries, memoryview(data)
        )
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def rewrite_card(path: Path, **fields: object) -> Path:
    def change(header: dict[str, dict[str, str]]) -> None:
        metadata = header["__metadata__"]
        metadata[model_file.CARD_KEY] = json.dumps(json.loads(metadata[model_file.CARD_KEY]) | fields)

    return rewrite_header(path, change)


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_checkpoint(path)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert path.name in sentence
    return sentence


def test_round_trip_gives_the_same_logits_and_card(saved: Path, network: torch.nn.Module) -> None:
    model = load_checkpoint(saved)
    x = torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        assert torch.equal(model.network(x), network.eval()(x))
    assert not model.network.training
    assert model.card.model_dump(exclude={"created"}) == make_card().model_dump(exclude={"created"})
    assert (model.labels, model.network_config) == (LABELS, NETWORK)
    assert model.preprocessing.window_high == 240
    assert read_card(saved) == model.card


def test_content_hash_is_returned_and_depends_on_weights_and_card(tmp_path: Path, network: torch.nn.Module) -> None:
    card = make_card()
    first = save_checkpoint(tmp_path / "a.safetensors", network, card)
    assert load_checkpoint(tmp_path / "a.safetensors").sha256 == first
    assert save_checkpoint(tmp_path / "b.safetensors", network, card) == first
    assert save_checkpoint(tmp_path / "c.safetensors", network, card.model_copy(update={"name": "x"})) != first
    other = build_network(NETWORK)
    assert save_checkpoint(tmp_path / "d.safetensors", other, card) != first


def test_every_single_flipped_byte_of_header_and_card_is_refused(saved: Path) -> None:
    content = saved.read_bytes()
    data_start = model_file.read_header(saved).data_start
    for position in range(data_start):
        damaged = bytearray(content)
        damaged[position] ^= 1
        saved.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            model_file.read_checked(saved)


@pytest.mark.parametrize("where", ["card", "first tensor byte", "middle", "last byte"])
def test_flipped_byte_is_refused(saved: Path, where: str) -> None:
    content = bytearray(saved.read_bytes())
    data_start = model_file.read_header(saved).data_start
    places = {
        "card": content.index(b"demo"),
        "first tensor byte": data_start,
        "middle": (data_start + len(content)) // 2,
        "last byte": len(content) - 1,
    }
    content[places[where]] ^= 1
    saved.write_bytes(content)
    assert "does not match its SHA-256" in refusal(saved)


def test_loading_leaves_the_random_stream_alone(saved: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load_checkpoint(saved)
    assert torch.equal(torch.rand(1), expected)


def test_model_file_never_changes(saved: Path, network: torch.nn.Module) -> None:
    before = saved.read_bytes()
    with pytest.raises(ModelFileError, match="exists already"):
        save_checkpoint(saved, network, make_card(name="other"))
    assert saved.read_bytes() == before


def test_name_taken_while_writing_is_refused(
    tmp_path: Path, network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    fsync = os.fsync

    def take_name(fileno: int) -> None:
        path.write_text("someone else's")
        fsync(fileno)

    monkeypatch.setattr("VQSegLib.atomic_files.os.fsync", take_name)
    with pytest.raises(ModelFileError, match="exists already"):
        save_checkpoint(path, network, make_card())
    assert path.read_text() == "someone else's"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False])
def test_failed_write_leaves_nothing_behind(
    tmp_path: Path, network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if links:
        monkeypatch.setattr("VQSegLib.atomic_files.os.fsync", full)
    else:
        monkeypatch.setattr("VQSegLib.atomic_files.publish", full)
    with pytest.raises(ModelFileError, match="cannot be written: No space left on device"):
        save_checkpoint(tmp_path / "m.safetensors", network, make_card())
    assert list(tmp_path.iterdir()) == []


def test_folder_without_hard_links_still_works(
    tmp_path: Path, network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("VQSegLib.atomic_files.os.link", no_links, raising=False)
    save_checkpoint(tmp_path / "m.safetensors", network, make_card())
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]
    load_checkpoint(tmp_path / "m.safetensors")


def test_missing_folder(tmp_path: Path, network: torch.nn.Module) -> None:
    with pytest.raises(ModelFileError, match="cannot be written: No such file or directory"):
        save_checkpoint(tmp_path / "none" / "m.safetensors", network, make_card())


def test_missing_file(tmp_path: Path) -> None:
    assert "There is no model file" in refusal(tmp_path / "none.safetensors")


def test_folder_instead_of_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path)


def test_file_that_cannot_be_read_after_its_header(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert "cannot be read: Input/output error" in refusal(saved)


@pytest.mark.parametrize("content", [b"", b"short", b"just some text, long enough for a header", b"\xff" * 64])
def test_other_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    assert "is not a VQSeg model file" in refusal(path)


def test_huge_header_length_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", 2**63) + b"{" + b" " * 100)
    assert "is not a VQSeg model file" in refusal(path)
    path.write_bytes(struct.pack("<Q", 50_000_000) + b"{" + b" " * 100)
    assert "cut short within its header" in refusal(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{" + b"[" * 100_000, "not JSON"),
        (b'{"a": 1}', "not valid"),
        (b'{"__metadata__": {"a": 1}}', "not valid"),
        (b'{"__metadata__": {"vqseg.card": "[]", "vqseg.sha256": "x"}}', "does not match"),
    ],
)
def test_bogus_header(tmp_path: Path, text: bytes, reason: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    assert reason in refusal(path)


def test_card_that_is_no_json_object(saved: Path) -> None:
    def change(header: dict[str, dict[str, str]]) -> None:
        header["__metadata__"][model_file.CARD_KEY] = "[1]"

    assert "card is not a JSON object" in refusal(rewrite_header(saved, change))


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.999])
def test_truncated_file(saved: Path, kept: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * kept)])
    assert "cut short" in refusal(saved)
    with pytest.raises(ModelFileError, match="cut short"):
        read_card(saved)


def test_extra_bytes_at_the_end(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"x")
    assert "damaged" in refusal(saved)


@pytest.mark.parametrize(
    ("version", "advice"), [(2, "update VQSeg"), (0, "train or import"), (None, "train or import")]
)
def test_other_format_version(saved: Path, version: int | None, advice: str) -> None:
    rewrite_card(saved, format_version=version, future_field="x")
    sentence = refusal(saved)
    assert f"format version {version}" in sentence
    assert advice in sentence
    with pytest.raises(ModelFileError, match=advice):
        read_card(saved)


def test_wrong_field_in_card(saved: Path) -> None:
    assert "field 'name'" in refusal(rewrite_card(saved, name=""))


def test_safetensors_of_another_program(saved: Path) -> None:
    assert "without a VQSeg model card" in refusal(rewrite_header(saved, lambda header: header.pop("__metadata__")))


def test_tensors_that_overlap(saved: Path) -> None:
    def change(header: dict[str, dict[str, object]]) -> None:
        first, second = [name for name in header if name != "__metadata__"][:2]
        header[second] = header[first]

    assert "damaged" in refusal(rewrite_header(saved, change))


def test_checkpoint_of_another_network(tmp_path: Path, network: torch.nn.Module) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, torch.nn.Linear(2, 2), make_card())
    assert "lacks" in refusal(path)
    wider = NETWORK.model_copy(update={"quantizer": QuantizerConfig(codebook_size=16, code_dim=4)})
    path.unlink()
    save_checkpoint(path, network, make_card(network=wider))
    assert "of shape (8, 4) where its network needs (16, 4)" in refusal(path)
    path.unlink()
    save_checkpoint(path, network, make_card(network=NETWORK.model_copy(update={"quantizer": None})))
    assert "has unexpected" in refusal(path)


@pytest.mark.parametrize(("name", "legacy"), [("m.pth", False), ("m.safetensors", False), ("m.safetensors", True)])
def test_pickle_is_not_opened(tmp_path: Path, name: str, legacy: bool) -> None:
    path = tmp_path / name
    torch.save({"a": torch.zeros(1)}, path, _use_new_zipfile_serialization=not legacy)
    assert "vqseg models import" in refusal(path)


def test_card_is_read_without_torch(saved: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from VQSegLib.models.checkpoint import read_card;"
        "print(read_card(Path(sys.argv[1])).name, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(saved)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["demo", "False"]


def test_card_must_agree_with_itself() -> None:
    with pytest.raises(ValueError, match="3 classes with background, the network 4"):
        make_card(network=NETWORK.model_copy(update={"num_classes": 4}))
    with pytest.raises(ValueError, match="labels the table lacks: C"):
        make_card(test=Scores(split="test", cases=1, mean={}, per_label={"C": {}}))
    assert "not a medical device" in make_card().intended_use
