"""Start a run from the weights of a model file instead of random ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from VQSegLib.errors import ConfigError
from VQSegLib.labels import LabelTable
from VQSegLib.models.card import ModelCard
from VQSegLib.models.checkpoint import Model, load_checkpoint, read_card
from VQSegLib.models.network import VQSegNet

if TYPE_CHECKING:
    from VQSegLib.training.config import TrainingConfig


def fill_from_parent(values: dict[str, Any]) -> None:
    """Take network and preprocessing from the parent where a configuration does not name them.

    Args:
        values: Configuration as JSON values, changed in place; without ``parent`` it stays as it is.

    Raises:
        ModelFileError: The parent cannot be read.
    """
    parent = values.get("parent")
    if not isinstance(parent, str):
        return
    # A relative name would later be looked for in the run folder.
    values["parent"] = str(Path(parent).absolute())
    card = read_card(Path(parent))
    for name, section in (("network", card.network), ("preprocessing", card.preprocessing)):
        values.setdefault(name, section.model_dump(mode="json"))


def read_class_order(config: TrainingConfig, run_folder: Path) -> tuple[int, ...]:
    """Return the label values in the order of the parent's classes; empty where there is no parent.

    Raises:
        ModelFileError: The file is missing or damaged.
    """
    return () if config.parent is None else read_card(run_folder / config.parent).labels.values


def load_parent(config: TrainingConfig, labels: LabelTable, run_folder: Path) -> Model | None:
    """Return the model a run starts from; None where it starts from random weights.

    Args:
        config: The run.
        labels: Label table of the run, in the order of its classes.
        run_folder: What a relative name of the parent is relative to.

    Raises:
        ConfigError: Network, preprocessing or label values are not those of the run: its weights mean something else.
        ModelFileError: The file is missing or damaged.
    """
    if config.parent is None:
        return None
    parent = load_checkpoint(run_folder / config.parent)
    wanted = config.method.adapt_network(config.network)
    # Every run makes or drops the decoder of its own image branch.
    same_network = parent.card.network.model_copy(update={"image_decoder": wanted.image_decoder}) == wanted
    for what, is_same in (("network", same_network), ("preprocessing", parent.preprocessing == config.preprocessing)):
        if not is_same:
            msg = (
                f"The run has another {what} than the model '{parent.card.name}' it shall start from; leave "
                f"'{what}' out of the configuration to take that of the model."
            )
            raise ConfigError(msg)
    check_labels(parent.card, labels)
    return parent


def check_labels(parent: ModelCard, labels: LabelTable) -> None:
    """Make sure that a parent knows the labels of a project and no others, in whatever order.

    Raises:
        ConfigError: It does not; names the first ones.
    """
    for knowing, asked, has in ((parent.labels, labels, "does not know"), (labels, parent.labels, "also knows")):
        strange = [f"{label.name} ({label.value})" for label in asked.labels if label.value not in knowing.values]
        if strange:
            msg = (
                f"The model '{parent.name}' {has} {', '.join(strange[:5])}, unlike the project; start from a model "
                "with the project's labels, or from none."
            )
            raise ConfigError(msg)


def start_from(network: VQSegNet, parent: Model) -> None:
    """Give ``network`` the parent's weights; an image decoder the parent lacks stays random."""
    weights = network.state_dict()
    known = parent.network.state_dict()
    weights.update({name: tensor for name, tensor in known.items() if name in weights})
    network.load_state_dict(weights)
