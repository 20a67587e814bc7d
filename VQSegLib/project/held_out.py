"""Which patients are held out: nobody before the fifth labeled patient, then every fifth, fixed for good."""

from __future__ import annotations

from collections.abc import Iterable

from VQSegLib.errors import ProjectError
from VQSegLib.project.cases import CaseRecord, CaseState, Split, make_id

HELD_OUT_EVERY = 5


def number_to_hold_out(records: Iterable[CaseRecord], patient_id: str) -> int | None:
    """Decide on a patient who is about to get the first label map.

    Only patients without a split of the user's choice count. Patients removed or excluded do not count either, so the
    share is kept; nobody who was held out is ever trained on.

    Args:
        records: All cases before the label map is accepted.
        patient_id: The patient.

    Returns:
        The patient's number among the labeled ones if this patient is to be held out, else None.
    """
    counted = [one for one in records if not one.is_split_chosen and one.state != CaseState.EXCLUDED and one.is_labeled]
    labeled = {one.patient_id for one in counted}
    if patient_id in labeled:
        return None
    held_out = {one.patient_id for one in counted if one.split == Split.HELD_OUT}
    number = len(labeled) + 1
    return number if len(held_out) < number // HELD_OUT_EVERY else None


def align_patients(records: Iterable[CaseRecord]) -> list[CaseRecord]:
    """Return the records to change so that all scans of a held-out patient are held out."""
    records = list(records)
    numbers = {one.patient_id: one.held_out_as for one in records if one.split == Split.HELD_OUT}
    apart = [one for one in records if one.patient_id in numbers and one.split != Split.HELD_OUT]
    return [one.model_copy(update={"split": Split.HELD_OUT, "held_out_as": numbers[one.patient_id]}) for one in apart]


def describe_split(record: CaseRecord) -> str:
    """Say in one sentence what a case is used for and why."""
    if record.split == Split.HELD_OUT and record.held_out_as is not None:
        return (
            f"Held out: labeled patient number {record.held_out_as} of the project, of whom every "
            f"{HELD_OUT_EVERY}th is never trained on, so that models can be compared."
        )
    if record.is_split_chosen:
        return f"In '{record.split}' by the choice of whoever added it."
    if record.is_labeled:
        return "Used for training: not one of every fifth labeled patients."
    return "In the pool of unlabeled scans."


def resolve_patient(
    records: Iterable[CaseRecord], patient_id: str | None, split: Split | None
) -> tuple[str, Split, bool, int | None]:
    """Return the patient key, split, whether the split is the user's choice, and ``held_out_as`` of a new case.

    Raises:
        ProjectError: There is no such patient, or the patient is on another side.
    """
    if patient_id is None:
        return make_id("patient"), split or Split.TRAIN, split is not None, None
    earlier = next((record for record in records if record.patient_id == patient_id), None)
    if earlier is None:
        msg = (
            f"The project knows no patient '{patient_id}'; give the patient_id of an earlier case "
            "or leave it out for a new patient."
        )
        raise ProjectError(msg)
    if split not in (None, earlier.split):
        msg = (
            f"Patient '{patient_id}' is in the split '{earlier.split}' and cannot be in '{split}' too; "
            "all scans of a patient share one split."
        )
        raise ProjectError(msg)
    return patient_id, earlier.split, earlier.is_split_chosen, earlier.held_out_as
