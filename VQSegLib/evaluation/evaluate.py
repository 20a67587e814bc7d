"""Score predicted label maps against reference label maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from VQSegLib.evaluation.label_maps import align, check_label_map, find_values
from VQSegLib.evaluation.overlap import Mask, check_same_shape, dice, jaccard
from VQSegLib.evaluation.pairs import match_files
from VQSegLib.evaluation.results import CaseScores, Evaluation, EvaluationSettings, LabelScores, Presence
from VQSegLib.evaluation.summary import compute_means, summarize
from VQSegLib.evaluation.surface import asd_mm, assd_mm, compute_surface_distances, hd95_mm, surface_dice_at_mm
from VQSegLib.labels import LabelTable
from VQSegLib.volume import Array, Volume

Box = tuple[slice, ...]
DEFAULT_SETTINGS = EvaluationSettings()


def evaluate_paths(
    prediction: Path,
    reference: Path,
    table: LabelTable | None = None,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score one pair of files, or two folders whose files are matched by name; one pair is in memory at a time.

    Args:
        prediction: Label map or folder of label maps.
        reference: The same kind of thing.
        table: Labels to score; None scores every value that occurs, named ``label <value>``.
        settings: Unit of distances and tolerance of surface Dice.
        on_progress: Called with (pairs done, pairs in all) after each pair.

    Raises:
        UserError: Nothing to compare, or a folder against a file.
        VolumeError: A file cannot be read, is not a label map, or a pair does not lie on the same grid.
    """
    # SimpleITK takes a moment to load, and scoring arrays (validation during training) does not need it.
    from VQSegLib.image_files import load_label_map

    matched = match_files(prediction, reference)
    cases = []
    for pair in matched.pairs:
        volumes = load_label_map(pair.prediction), load_label_map(pair.reference)
        cases.append(evaluate_volumes(*volumes, table, settings, case_id=pair.case_id))
        if on_progress is not None:
            on_progress(len(cases), len(matched.pairs))
    return summarize(
        cases,
        settings,
        without_prediction=matched.without_prediction,
        without_reference=matched.without_reference,
    )


def evaluate_volumes(
    prediction: Volume,
    reference: Volume,
    table: LabelTable | None = None,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    *,
    case_id: str = "case",
) -> CaseScores:
    """Score one pair of label maps in physical space: reversed or permuted axes do not matter.

    Args:
        prediction: Label map.
        reference: Label map on the same physical grid.
        table: Labels to score; None scores every value that occurs.
        settings: Unit of distances and tolerance of surface Dice.
        case_id: Name of the pair in the result and in errors.

    Raises:
        VolumeError: The two do not lie on the same grid, or one is not a label map.
    """
    moved, fixed = align(prediction, reference, f"Prediction and reference of {case_id}")
    return evaluate_arrays(moved.array, fixed.array, fixed.spacing_mm_kji, table, settings, case_id=case_id)


def evaluate_arrays(
    prediction: Array,
    reference: Array,
    spacing_mm_kji: Sequence[float],
    table: LabelTable | None = None,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    *,
    case_id: str = "case",
) -> CaseScores:
    """Score one pair of label maps given as arrays on the same grid.

    Args:
        prediction: Label map ``(K, J, I)`` (or ``(J, I)``) of whole numbers.
        reference: Label map of the same shape.
        spacing_mm_kji: Distance of neighbouring voxels along each array axis; not used with the unit ``voxel``.
        table: Labels to score; None scores every value that occurs.
        settings: Unit of distances and tolerance of surface Dice.
        case_id: Name of the pair in the result and in errors.

    Raises:
        VolumeError: The shapes differ, the spacing is not positive, or an array is not a label map.
    """
    check_same_shape(prediction, reference)
    maps = (
        check_label_map(prediction, f"The prediction of {case_id}"),
        check_label_map(reference, f"The reference of {case_id}"),
    )
    values = find_values(maps[0]), find_values(maps[1])
    names = _get_names(table, values[0] | values[1])
    spacing = tuple(spacing_mm_kji) if settings.unit == "mm" else (1.0,) * prediction.ndim
    labels = _score_labels(maps, spacing, names, settings)
    return CaseScores(
        case_id=case_id,
        labels=labels,
        means=compute_means(labels, settings.metric_names),
        unknown_in_prediction=tuple(sorted(values[0] - names.keys())),
        unknown_in_reference=tuple(sorted(values[1] - names.keys())),
    )


def _get_names(table: LabelTable | None, occurring: set[int]) -> dict[int, str]:
    if table is None:
        return {value: f"label {value}" for value in sorted(occurring)}
    return {label.value: label.name for label in table.labels}


def _score_labels(
    maps: tuple[Array, Array], spacing: Sequence[float], names: Mapping[int, str], settings: EvaluationSettings
) -> tuple[LabelScores, ...]:
    """Score each label within the box that holds it in either map."""
    if not names:
        return ()
    largest = max(names)
    boxes = [ndimage.find_objects(array, max_label=largest) for array in maps]
    scores = []
    for value, name in names.items():
        box = _join_boxes(boxes[0][value - 1], boxes[1][value - 1], maps[0].ndim)
        masks = maps[0][box] == value, maps[1][box] == value
        scores.append(_score_label(masks, spacing, value, name, settings))
    return tuple(scores)


def _join_boxes(first: Box | None, second: Box | None, ndim: int) -> Box:
    if first is None or second is None:
        return first or second or (slice(0, 0),) * ndim
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))


def _score_label(
    masks: tuple[Mask, Mask], spacing: Sequence[float], value: int, name: str, settings: EvaluationSettings
) -> LabelScores:
    counts = int(np.count_nonzero(masks[0])), int(np.count_nonzero(masks[1]))
    distances = compute_surface_distances(*masks, spacing)
    scores = (
        dice(*masks),
        jaccard(*masks),
        hd95_mm(distances),
        asd_mm(distances),
        assd_mm(distances),
        surface_dice_at_mm(distances, settings.tolerance),
    )
    return LabelScores(
        value=value,
        name=name,
        presence=_get_presence(*counts),
        prediction_voxels=counts[0],
        reference_voxels=counts[1],
        scores=dict(zip(settings.metric_names, scores, strict=True)),
    )


def _get_presence(prediction_voxels: int, reference_voxels: int) -> Presence:
    if prediction_voxels and reference_voxels:
        return "both"
    if reference_voxels:
        return "missed"
    return "spurious" if prediction_voxels else "absent"
