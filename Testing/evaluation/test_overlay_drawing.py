"""Layout of the overlay picture: letters, legend, warning."""

import numpy as np
from matplotlib.figure import Figure

from VQSegLib.evaluation.overlay_drawing import DISCLAIMER, Scene, draw_scene
from VQSegLib.labels import Label, LabelTable

MANY = LabelTable(labels=tuple(Label(value=value, name=f"L{value}", color=(value, 9, 9)) for value in range(1, 41)))


def draw(has_reference: bool = True, shape: tuple[int, int, int] = (10, 12, 14), title: str = "") -> Figure:
    prediction = np.zeros(shape, np.uint8)
    prediction[4:6, 4:8, 4:8] = 2
    reference = np.where(prediction > 0, 5, 0) if has_reference else None
    box = tuple(slice(0, length) for length in shape)
    scene = Scene(np.zeros(shape), prediction, reference, (3.0, 1.0, 1.0), (5, 5, 5), box)
    return draw_scene(scene, MANY, (-160.0, 240.0), title)


def get_legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_plane_carries_its_letters() -> None:
    letters = {axes.get_title(): "".join(text.get_text() for text in axes.texts) for axes in draw().axes}
    assert letters == {"Axial": "RLAP", "Coronal": "RLSI", "Sagittal": "APSI"}


def test_legend_names_only_what_is_there() -> None:
    assert get_legend_texts(draw()) == ["prediction", "reference", "L2", "L5"]
    assert get_legend_texts(draw(has_reference=False)) == ["prediction", "L2"]


def test_title_and_warning_are_on_the_picture() -> None:
    texts = [text.get_text() for text in draw(title="Case 1").texts]
    assert DISCLAIMER in texts
    assert "Case 1" in texts
    assert "not a medical device" in DISCLAIMER.lower()


def test_tall_volume_stays_on_one_screen() -> None:
    assert draw(shape=(400, 12, 14)).get_size_inches()[1] < 12
