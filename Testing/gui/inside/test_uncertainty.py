"""A person looks where a model is unsure: real voxels, a real scene, a real worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import slicer

Wait = Callable[..., None]

UP = 100.0
"""mm, that the couch of ``a_scan`` lies higher than its voxels say."""


@pytest.fixture
def page(widget: Any, a_scan: Any, scene: Any, wait: Wait) -> Iterator[Any]:
    """The page Correct with a scan, and a model that does not listen, which is chosen on the page Segment."""
    wait(lambda: widget.panel.state.models is not None)
    widget.pages.show("Correct")
    parameters = widget._parameterNode
    parameters.inputVolume, parameters.model = a_scan, "threshold"
    yield widget.pages.correct
    run = widget.pages.correct.uncertainty.run
    if run is not None and run.progress is not None:
        run.cancel()
        wait(lambda: run.progress is None)
    if widget._parameterNode is not None:
        widget._parameterNode.model = ""
    widget.pages.show("")


@pytest.fixture
def views(scene: Any) -> list[Any]:
    """Of a slice view: what it shows, and which plane."""
    node = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    node.SetOrientationToAxial()
    return [scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode"), node]


def ended(page: Any) -> Callable[[], bool]:
    return lambda: page.uncertainty.state.run is None


def maps() -> list[Any]:
    return [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "uncert" in node.GetName()]


def test_the_map_lies_over_the_scan_and_the_slice_goes_where_it_matters(
    page: Any, a_scan: Any, views: list[Any], wait: Wait
) -> None:
    button, label = page._ui.uncertaintyButton, page._ui.uncertaintyLabel
    assert button.enabled, button.toolTip
    assert "Bright things in CT" in button.toolTip
    button.click()
    assert button.text == "Cancel" and page._ui.uncertaintyProgressBar.visible
    wait(ended(page))
    (node,) = maps()
    assert node.GetTransformNodeID() == a_scan.GetTransformNodeID()
    array, scan = slicer.util.arrayFromVolume(node), slicer.util.arrayFromVolume(a_scan)
    assert array.shape == scan.shape and array.max() > 0.01
    view, plane = views
    assert (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()) == (a_scan.GetID(), node.GetID())
    assert 0 < view.GetForegroundOpacity() < 1
    place = page.uncertainty.run.figures["place"]
    assert plane.GetSliceOffset() == pytest.approx(place[2]) and place[2] > UP, "under the transform"
    assert "least sure" in label.text and not page._ui.uncertaintyProgressBar.visible
    assert len(list(page._session.worker.folder.glob("*.npy"))) == 1, "the scan is kept there, and the map is not"

    assert button.text == "Hide uncertainty"
    button.click()
    assert view.GetForegroundVolumeID() is None and maps() == [node]
    first = page.uncertainty.run
    plane.SetSliceOffset(0)
    button.click()
    assert view.GetForegroundVolumeID() == node.GetID() and page.uncertainty.run is first, "nothing is measured again"
    assert plane.GetSliceOffset() == pytest.approx(place[2])


def test_where_the_scan_has_changed_the_same_map_is_renewed(
    page: Any, a_scan: Any, views: list[Any], wait: Wait
) -> None:
    button = page._ui.uncertaintyButton
    button.click()
    wait(ended(page))
    (node,) = maps()
    before = slicer.util.arrayFromVolume(node).copy()
    button.click()
    slicer.util.updateVolumeFromArray(a_scan, slicer.util.arrayFromVolume(a_scan)[::-1].copy())
    button.click()
    assert button.text == "Cancel"
    wait(ended(page))
    assert maps() == [node]
    after = slicer.util.arrayFromVolume(node)
    assert not np.array_equal(after, before) and np.abs(after[::-1] - before).max() < 0.1


def test_what_a_cancelled_measurement_leaves_is_nothing(page: Any, views: list[Any], wait: Wait) -> None:
    button = page._ui.uncertaintyButton
    button.click()
    button.click()
    assert button.text == "Cancelling ..." and not button.enabled
    wait(ended(page))
    assert maps() == [] and views[0].GetForegroundVolumeID() is None
    assert page._ui.uncertaintyLabel.text == "Cancelled." and button.enabled


def test_a_scan_that_is_removed_ends_its_measurement(page: Any, scene: Any, a_scan: Any, wait: Wait) -> None:
    page._ui.uncertaintyButton.click()
    scene.RemoveNode(a_scan)
    wait(ended(page))
    assert maps() == [] and not page._ui.uncertaintyButton.enabled
    assert page._ui.uncertaintyLabel.text == "The volume was removed: the run was cancelled."


def test_a_closed_scene_ends_it_and_a_new_one_begins_without_a_map(page: Any, scene: Any, wait: Wait) -> None:
    page._ui.uncertaintyButton.click()
    run = page.uncertainty.run
    scene.Clear()
    wait(lambda: run.progress is None)
    assert maps() == [] and run.error is not None
    assert page._ui.uncertaintyLabel.text == "The scene was closed: the run was cancelled."


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_worker_is_said_and_the_next_measurement_starts_another(
    page: Any, views: list[Any], wait: Wait
) -> None:
    button = page._ui.uncertaintyButton
    button.click()
    wait(lambda: page.uncertainty.state.run.stage != "start")
    os.kill(page._session.worker.pid, signal.SIGKILL)
    wait(ended(page))
    assert page._ui.uncertaintyLabel.text and maps() == []
    button.click()
    wait(ended(page))
    assert len(maps()) == 1


def test_a_script_gets_the_map(widget: Any, page: Any, a_scan: Any) -> None:
    node = widget.logic.uncertainty([a_scan], "threshold")
    assert node.GetName() == "scan uncertainty" and slicer.util.arrayFromVolume(node).max() > 0.01
