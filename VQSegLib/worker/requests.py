"""What the worker can be asked: parameters in, service called, answer out."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from VQSegLib import __version__
from VQSegLib.errors import UserError
from VQSegLib.models.card import INTENDED_USE
from VQSegLib.service import Service
from VQSegLib.wire import PROTOCOL, WireArray
from VQSegLib.worker.arrays import Params, to_numpy
from VQSegLib.worker.case_requests import CaseRequests
from VQSegLib.worker.project_requests import ProjectRequests
from VQSegLib.worker.run_requests import RunRequests
from VQSegLib.worker.scan_requests import Answer, ScanRequests
from VQSegLib.worker.volumes import ReceivedVolume, VolumeStore

Side = Annotated[int, Field(ge=1)]
Row = tuple[float, float, float, float]
VoxelType = Literal["|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<f4", "<f8"]


class InitializeParams(Params):
    """Parameters of ``initialize``."""

    client: str
    protocol: int


class ListModelsParams(Params):
    """Parameters of ``models/list``; without a folder the shipped models are listed."""

    folder: str | None = None


class ShowModelParams(Params):
    """Parameters of ``models/show``."""

    model: str


class GeometryParams(Params):
    """Shape and place of a scan."""

    shape_kji: tuple[Side, Side, Side]
    affine_ijk_to_ras: tuple[Row, Row, Row, Row]


class OpenVolumeParams(Params):
    """Parameters of ``volume/open``."""

    geometry: GeometryParams
    dtype: VoxelType


class SlabParams(Params):
    """Parameters of ``volume/slab``."""

    volume: str
    start_k: Annotated[int, Field(ge=0)]
    array: WireArray


class CloseVolumeParams(Params):
    """Parameters of ``volume/close``."""

    volume: str


class Requests:
    """The methods of the worker, by name.

    Attributes:
        slow_start: Methods that need the heavy packages; they do not hold up the quick ones.
        quick: Methods that answer in milliseconds, in the order they are asked.
        long: Methods that return the work to do, one at a time.
        handover: Methods whose work, with one scan, a person waits for; it waits for nothing but its like.
        background: Methods whose work is done beside all that, in the order they are asked.
    """

    def __init__(self, service: Service) -> None:
        """Serve a service."""
        self._service = service
        self._volumes = VolumeStore()
        self.slow_start: dict[str, Callable[[dict[str, Any]], Answer]] = {"initialize": self._initialize}
        self.quick: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "models/list": self._list_models,
            "models/show": self._show_model,
            "volume/open": self._open_volume,
            "volume/slab": self._put_slab,
            "volume/close": self._close_volume,
        }
        self.long = ScanRequests(service, self._volumes).long
        projects, cases, runs = ProjectRequests(service), CaseRequests(service, self._volumes), RunRequests(service)
        self.quick.update({**projects.quick, **cases.quick, **runs.quick})
        self.long.update(cases.long)
        self.handover = cases.handover
        self.background = {**projects.background, **cases.background, **runs.background}

    def names(self) -> list[str]:
        """Return the names of all methods."""
        return sorted([*self.slow_start, *self.quick, *self.long, *self.handover, *self.background])

    def _initialize(self, params: dict[str, Any]) -> Answer:
        asked = InitializeParams.model_validate(params)
        if asked.protocol != PROTOCOL:
            msg = (
                f"The engine (version {__version__}) speaks protocol {PROTOCOL}, but '{asked.client}' asks for "
                f"{asked.protocol}; install the same version of VQSeg on both sides."
            )
            raise UserError(msg)
        devices = self._service.list_devices()
        available = [{"id": one.id, "name": one.name, "memory_bytes": one.memory_bytes} for one in devices]
        return {
            "protocol": PROTOCOL,
            "version": __version__,
            "python": platform.python_version(),
            "host": platform.node(),
            "device": {"default": devices[0].id, "available": available},
            "capabilities": sorted([*self.names(), "shutdown"]),
            "research_use": INTENDED_USE,
        }

    def _list_models(self, params: dict[str, Any]) -> Answer:
        folder = ListModelsParams.model_validate(params).folder
        found = self._service.describe_models(None if folder is None else Path(folder))
        return {"models": [model.model_dump(mode="json") for model in found]}

    def _show_model(self, params: dict[str, Any]) -> Answer:
        card = self._service.show_model(ShowModelParams.model_validate(params).model)
        return {"card": card.model_dump(mode="json")}

    def _open_volume(self, params: dict[str, Any]) -> Answer:
        asked = OpenVolumeParams.model_validate(params)
        affine = np.array(asked.geometry.affine_ijk_to_ras, np.float64)
        return {"volume": self._volumes.open(ReceivedVolume(asked.geometry.shape_kji, affine, asked.dtype))}

    def _put_slab(self, params: dict[str, Any]) -> Answer:
        asked = SlabParams.model_validate(params)
        volume = self._volumes.find(asked.volume)
        volume.put(asked.start_k, to_numpy(asked.array))
        return {"received_slices": volume.received_slices}

    def _close_volume(self, params: dict[str, Any]) -> Answer:
        self._volumes.close(CloseVolumeParams.model_validate(params).volume)
        return {}
