"""Parameters of the requests about projects and cases."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from VQSegLib.submission import Submission
from VQSegLib.volume import Volume
from VQSegLib.wire import WireArray
from VQSegLib.worker.arrays import Index, Params, from_extent_ijk, to_numpy


class ProjectParams(Params):
    """Parameters of a request about a project as a whole."""

    project: str


class ListCasesParams(ProjectParams):
    """Parameters of ``cases/list``."""

    state: str | None = None
    split: str | None = None


class CaseParams(ProjectParams):
    """Parameters of a request about one case."""

    case: str


class CasesParams(ProjectParams):
    """Parameters of a request about several cases."""

    cases: Annotated[tuple[str, ...], Field(min_length=1)]


class DrawnParams(Params):
    """One structure; ``value`` only if it came from this project, without extent and array it has no voxels."""

    name: str
    value: Annotated[int, Field(ge=1, le=255)] | None = None
    extent_ijk: tuple[Index, Index, Index, Index, Index, Index] | None = None
    array: WireArray | None = None


class AddCaseParams(ProjectParams):
    """Parameters of ``cases/add``; without ``labels`` the scan goes to the unlabeled pool."""

    volume: str
    labels: tuple[DrawnParams, ...] | None = None
    model: str | None = None
    annotator_id: str | None = None
    started: str | None = None
    reviewed_slices_k: tuple[Index, ...] | None = None
    revises: str | None = None
    same_patient_as: str | None = None
    confirmed: tuple[Literal["empty", "overlap", "revision"], ...] = ()


class AddScansParams(ProjectParams):
    """Parameters of ``cases/add_scans``; paths are those of the machine the worker runs on."""

    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    same_patient_as: str | None = None


class ExportParams(ProjectParams):
    """Parameters of ``cases/export``; paths are those of the machine the worker runs on."""

    output: str
    format: str
    cases: tuple[str, ...] | None = None
    series: str | None = None


class NextParams(ProjectParams):
    """Parameters of ``cases/next``; without a model the one the project uses looks at the scans."""

    model: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    device: str = "auto"


class ReadParams(Params):
    """Parameters of ``volume/read``."""

    volume: str
    start_k: Index
    stop_k: Index


def to_submission(asked: AddCaseParams, image: Volume, proposal: Volume | None) -> Submission:
    """Return what is to be added; ``proposal`` is the one the worker itself made for this scan."""
    from VQSegLib.project.drawn_labels import DrawnStructure
    from VQSegLib.project.label_matching import Structure

    drawn = None
    if asked.labels is not None:
        drawn = [
            DrawnStructure(
                Structure(one.name, one.value),
                None if one.extent_ijk is None else from_extent_ijk(one.extent_ijk),
                None if one.array is None else to_numpy(one.array),
            )
            for one in asked.labels
        ]
    return Submission(
        image=image,
        drawn=drawn,
        model=asked.model,
        proposal=proposal,
        annotator_id=asked.annotator_id,
        started=asked.started,
        reviewed_slices=asked.reviewed_slices_k,
        revises=asked.revises,
        same_patient_as=asked.same_patient_as,
        confirmed=frozenset(asked.confirmed),
    )
