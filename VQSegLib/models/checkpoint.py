"""Save and load model files: weights and card in one safetensors file that carries its own hash.

Loading runs no code from the file. A model file never changes after it is written. ``read_card`` needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.atomic_files import written_atomically
from VQSegLib.errors import ModelFileError
from VQSegLib.models import model_file
from VQSegLib.models.card import ModelCard

if TYPE_CHECKING:
    from torch import Tensor, device, nn

    from VQSegLib.labels import LabelTable
    from VQSegLib.models.config import NetworkConfig, PreprocessingConfig
    from VQSegLib.models.network import VQSegNet


@dataclass(frozen=True)
class Model:
    """A loaded model: network in eval mode, card and content hash.

    Attributes:
        network: Network with the file's weights, in eval mode.
        card: What the file says about itself.
        sha256: Content hash over card and tensors; identifies the model.
    """

    network: VQSegNet
    card: ModelCard
    sha256: str

    @property
    def network_config(self) -> NetworkConfig:
        """How the network is built."""
        return self.card.network

    @property
    def preprocessing(self) -> PreprocessingConfig:
        """How its input is prepared."""
        return self.card.preprocessing

    @property
    def labels(self) -> LabelTable:
        """What its classes mean."""
        return self.card.labels


def save_checkpoint(path: Path, network: nn.Module, card: ModelCard) -> str:
    """Write a new model file, completely or not at all.

    Args:
        path: File to create; its folder must exist.
        network: Network whose ``state_dict`` is stored.
        card: Card of the model; must describe ``network``.

    Returns:
        Content hash (SHA-256, hexadecimal) of the new file.

    Raises:
        ModelFileError: The file exists already, or cannot be written.
    """
    import safetensors.torch

    path = Path(path)
    if path.exists():
        raise ModelFileError(_exists(path))
    tensors = {name: _storable(tensor) for name, tensor in network.state_dict().items()}
    card_text = card.model_dump_json()
    # The bytes are laid out once without metadata, so that the hash is taken over exactly what readers will see.
    sha256 = model_file.compute_sha256(card_text, *model_file.parse_tensor_entries(safetensors.torch.save(tensors)))
    metadata = {model_file.CARD_KEY: card_text, model_file.SHA256_KEY: sha256}
    _write_new(path, safetensors.torch.save(tensors, metadata=metadata))
    return sha256


def load_checkpoint(path: Path, device: str | device = "cpu") -> Model:
    """Load a model file after checking every byte of it.

    Raises:
        ModelFileError: One sentence: the file is missing, damaged, of another version, or does not fit its network.
    """
    import safetensors
    import safetensors.torch

    path = Path(path)
    header, content = model_file.read_checked(path)
    card = model_file.parse_card(path, header)
    try:
        tensors = safetensors.torch.load(content)
    except safetensors.SafetensorError as exc:
        msg = f"The model file {path} is damaged: {exc}; copy or download it again."
        raise ModelFileError(msg) from exc
    network = build_untrained(card.network)
    load_tensors(network, tensors, f"The model file {path}")
    return Model(network.to(device).eval(), card, header.sha256)


def read_card(path: Path) -> ModelCard:
    """Read only the card, in milliseconds however large the file is; tensors and hash are not checked.

    Raises:
        ModelFileError: The file is missing, cut short, not a model file or of another version.
    """
    path = Path(path)
    return model_file.parse_card(path, model_file.read_header(path))


def build_untrained(config: NetworkConfig) -> VQSegNet:
    """Build a network whose weights will be replaced: fetches no pre-trained weights, draws no global random number."""
    import torch

    from VQSegLib.models.network import build_network

    if config.encoder.kind == "dinov2":
        config = config.model_copy(update={"encoder": config.encoder.model_copy(update={"weights": None})})
    # A validation that loads a model in the middle of a run must not change the run's random stream.
    with torch.random.fork_rng(devices=[]):
        return build_network(config)


def load_tensors(network: nn.Module, tensors: dict[str, Tensor], source: str) -> None:
    """Replace every parameter and buffer of ``network``.

    Args:
        network: Network to fill.
        tensors: Exactly the names and shapes of its ``state_dict``.
        source: First words of the sentence, for example ``"The model file m.safetensors"``.

    Raises:
        ModelFileError: Names or shapes differ: the tensors belong to another network.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    missing, unexpected = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    for what, names in (("lacks", missing), ("has unexpected", unexpected)):
        if names:
            msg = (
                f"{source} {what} {len(names)} of the network's {len(expected)} tensors, first '{names[0]}': "
                f"it holds the weights of another network; choose another file."
            )
            raise ModelFileError(msg)
    for name, shape in expected.items():
        if tuple(tensors[name].shape) != shape:
            msg = (
                f"{source} has tensor '{name}' of shape {tuple(tensors[name].shape)} where its network needs {shape}: "
                f"it holds the weights of another network; choose another file."
            )
            raise ModelFileError(msg)
    network.load_state_dict(tensors)


def _storable(tensor: Tensor) -> Tensor:
    # clone: safetensors refuses tensors that share memory, which a view of a larger tensor does.
    return tensor.detach().cpu().contiguous().clone()


def _write_new(path: Path, content: bytes) -> None:
    try:
        with written_atomically(path, is_new=True) as temporary:
            temporary.write_bytes(content)
    except FileExistsError:
        raise ModelFileError(_exists(path)) from None
    except OSError as exc:
        msg = f"The model file {path} cannot be written: {exc.strerror}; choose another folder or free some space."
        raise ModelFileError(msg) from exc


def _exists(path: Path) -> str:
    return f"The model file {path} exists already, and a model file never changes; choose another name."
