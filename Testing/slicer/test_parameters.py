"""Parameters live in the scene: kept by closing, saving and importing, and shared by whoever looks."""

from __future__ import annotations

from typing import Any

import slicer

from VQSegUI.Parameters import Parameters, parameterNode, readParameters, writeParameters
from VQSegUI.ParameterStore import ParameterStore


def test_there_is_one_node_that_slicer_knows_as_ours() -> None:
    node = parameterNode(slicer.mrmlScene)

    assert parameterNode(slicer.mrmlScene) is node
    assert (node.GetSingletonTag(), node.GetModuleName()) == ("VQSeg", "VQSeg")


def test_what_is_written_is_read_back(make_volume: Any) -> None:
    node, volume = parameterNode(slicer.mrmlScene), make_volume()
    written = Parameters(model="Größe/m.safetensors", device="cuda:1", inputVolumeID=volume.GetID())

    writeParameters(node, written)

    assert readParameters(node) == written
    assert node.GetNodeReference("InputVolume") is volume


def test_a_deleted_node_is_no_longer_chosen(make_volume: Any) -> None:
    node, volume = parameterNode(slicer.mrmlScene), make_volume()
    writeParameters(node, Parameters(inputVolumeID=volume.GetID()))

    slicer.mrmlScene.RemoveNode(volume)

    assert readParameters(node).inputVolumeID is None


def test_one_change_is_told_once(make_volume: Any) -> None:
    store, told = ParameterStore(slicer.mrmlScene), []
    store.attach()
    store.changed.connect(lambda: told.append(store.parameters))

    store.update(model="a", inputVolumeID=make_volume().GetID())
    store.update(model="a")

    assert [each.model for each in told] == ["a"]
    store.detach()


def test_two_stores_of_one_scene_agree() -> None:
    first, second = ParameterStore(slicer.mrmlScene), ParameterStore(slicer.mrmlScene)
    first.attach()
    second.attach()

    first.update(device="cpu")

    assert second.parameters.device == "cpu"
    first.detach()
    second.detach()


def test_a_detached_store_changes_nothing() -> None:
    store = ParameterStore(slicer.mrmlScene)
    store.update(model="a")

    assert readParameters(parameterNode(slicer.mrmlScene)).model == ""


def test_closing_the_scene_resets_the_parameters(make_volume: Any) -> None:
    writeParameters(parameterNode(slicer.mrmlScene), Parameters(model="a", inputVolumeID=make_volume().GetID()))

    slicer.mrmlScene.Clear(0)

    assert readParameters(parameterNode(slicer.mrmlScene)).inputVolumeID is None
    assert parameterNode(slicer.mrmlScene).GetModuleName() == "VQSeg"
