"""Device, precision and processes of a run, by lightning Fabric."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric

from VQSegLib.errors import ConfigError
from VQSegLib.training.config import DeviceConfig


def build_fabric(config: DeviceConfig) -> Fabric:
    """Start the processes of a run; every process goes on behind this call.

    ``auto`` is CUDA where there is a device, else the CPU: validation runs on no other.

    Raises:
        ConfigError: The devices asked for are not there.
    """
    accelerator = config.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "mps":
        msg = "device.accelerator 'mps' is not supported, because some steps need float64; set it to 'cpu'."
        raise ConfigError(msg)
    if accelerator == "cuda" and torch.cuda.device_count() < config.devices:
        msg = (
            f"device.devices is {config.devices}, but {torch.cuda.device_count()} CUDA devices are usable here; "
            "lower it, or set device.accelerator to 'cpu'."
        )
        raise ConfigError(msg)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    fabric = Fabric(
        accelerator=accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        precision=config.precision,
        strategy="auto" if config.devices * config.num_nodes == 1 else "ddp_find_unused_parameters_true",
    )
    fabric.launch()
    return fabric


def agree(fabric: Fabric, decision: bool) -> bool:
    """Return the first process's decision in every process."""
    if fabric.world_size == 1:
        return decision
    return bool(fabric.broadcast(decision))
