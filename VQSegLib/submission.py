"""Accepting what a person drew on a scan that is in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from VQSegLib.errors import ProjectError
from VQSegLib.request_helpers import patient_of

if TYPE_CHECKING:
    from VQSegLib.project.cases import CaseRecord
    from VQSegLib.project.drawn_labels import DrawnStructure
    from VQSegLib.project.folder import Project
    from VQSegLib.project.review import Review
    from VQSegLib.volume import Volume


@dataclass(frozen=True)
class Submission:
    """A scan with what was drawn on it.

    Attributes:
        image: The scan.
        drawn: Structures; None adds the scan to the unlabeled pool.
        model: File or name of the model whose proposal was corrected.
        proposal: That proposal, in the values of the model; None if it is not known.
        annotator_id: Name to be recorded.
        started: When the annotator began, ISO 8601.
        reviewed_slices: Slices (k) the person vouches for; None for all.
        revises: Case whose image this is and which gets a new revision.
        same_patient_as: Earlier case of the same patient.
        confirmed: What the user confirmed: ``empty``, ``overlap``, ``revision``.
    """

    image: Volume
    drawn: Sequence[DrawnStructure] | None
    model: str | None = None
    proposal: Volume | None = None
    annotator_id: str | None = None
    started: str | None = None
    reviewed_slices: tuple[int, ...] | None = None
    revises: str | None = None
    same_patient_as: str | None = None
    confirmed: frozenset[str] = frozenset()


def submit(project: Project, submission: Submission, before_commit: Callable[[], None]) -> CaseRecord:
    """Add a scan, label one that is there, or revise a case.

    Raises:
        UserError: One sentence about why it is refused; nothing was written.
        ConfirmationNeeded: The user must say that it is meant.
    """
    from VQSegLib.project.drawn_labels import paste_structures
    from VQSegLib.project.hashes import hash_voxels

    image, patient_id = submission.image, patient_of(project, submission.same_patient_as)
    if submission.drawn is None:
        return project.add_case(image, None, patient_id=patient_id, before_commit=before_commit)
    is_overlap_meant = "overlap" in submission.confirmed
    array = paste_structures(submission.drawn, image.shape_kji, project.document, is_overlap_meant=is_overlap_meant)
    label, review = image.with_array(array), _review(project, submission)
    if submission.revises is None:
        return project.add_case(
            image,
            label,
            patient_id=patient_id,
            review=review,
            is_revision="revision" in submission.confirmed,
            before_commit=before_commit,
        )
    if hash_voxels(image.array) != project.case(submission.revises).image.voxel_sha256:
        msg = f"The scan is not the image of case '{submission.revises}'; open the case again and correct it there."
        raise ProjectError(msg)
    return project.revise_case(submission.revises, label, review, before_commit)


def _review(project: Project, submission: Submission) -> Review:
    from VQSegLib.models.model_file import parse_card, read_header
    from VQSegLib.project.drawn_labels import translate_proposal
    from VQSegLib.project.review import Review
    from VQSegLib.resources import find_model

    model_id = model_sha256 = proposal = None
    if submission.model is not None:
        path = find_model(submission.model)
        header = read_header(path)
        card = parse_card(path, header)
        model_id, model_sha256 = project.models.find_sha256(header.sha256) or card.name, header.sha256
        if submission.proposal is not None:
            proposal = translate_proposal(submission.proposal, card.labels, project.labels)
    return Review(
        origin="corrected",
        annotator_id=submission.annotator_id,
        started=submission.started,
        model_id=model_id,
        model_sha256=model_sha256,
        proposal=proposal,
        reviewed_slices=submission.reviewed_slices,
        is_empty_meant="empty" in submission.confirmed,
    )
