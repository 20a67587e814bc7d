"""What a user says about a label map that comes from a file, turned into what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from VQSegLib.project.review import Review


def build_review(
    *,
    annotator_id: str | None,
    model: str | None,
    proposal: Path | None,
    reviewed_slices: tuple[int, ...] | None,
    is_empty_meant: bool,
) -> Review:
    """Return the review of a label map that comes from a file.

    Args:
        annotator_id: Name to be recorded.
        model: File or name of the model whose proposal was corrected.
        proposal: Label map it proposed.
        reviewed_slices: Slices a person vouches for; None for all.
        is_empty_meant: The label map may be empty.

    Raises:
        UserError: Model or proposal cannot be read.
    """
    from VQSegLib.image_files import load_label_map
    from VQSegLib.models.model_file import parse_card, read_header
    from VQSegLib.project.review import Review
    from VQSegLib.resources import find_model

    model_id = model_sha256 = None
    if model is not None:
        path = find_model(model)
        header = read_header(path)
        model_id, model_sha256 = parse_card(path, header).name, header.sha256
    is_corrected = model is not None or proposal is not None
    return Review(
        origin="corrected" if is_corrected else "imported",
        annotator_id=annotator_id,
        model_id=model_id,
        model_sha256=model_sha256,
        proposal=None if proposal is None else load_label_map(proposal),
        reviewed_slices=reviewed_slices,
        is_empty_meant=is_empty_meant,
    )
