"""A scene with Slicer's logics, for use without Slicer's window. In Slicer, the application has both already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .libraries import quiet, slicer

_LOGICS = {
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Models": "vtkSlicerModelsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
}
"""Logics by the names under which Slicer's application logic knows them, in the order in which they are started."""


@dataclass(frozen=True, eq=False)
class Host:
    """What must stay alive while the scene is used.

    Attributes:
        scene: the ``vtkMRMLScene``; it knows the node classes of all logics.
        application: the ``vtkSlicerApplicationLogic``.
        logics: the module logics by their names, ``Colors`` among them.
    """

    scene: slicer.vtkMRMLScene
    application: slicer.vtkSlicerApplicationLogic
    logics: Mapping[str, slicer.vtkMRMLAbstractLogic]


def createScene() -> Host:
    """Starts an empty scene with Slicer's logics and colour tables.

    The lists of terminologies belong to the Slicer application and are not there; the coded meaning of a segment is
    kept with the segment and does not need them.
    """
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    colors = application.GetColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    logics = {"Colors": colors, **{name: getattr(slicer, kind)() for name, kind in _LOGICS.items()}}
    with quiet():  # the terminologies' logic complains about the lists
        for name, logic in logics.items():
            logic.SetMRMLScene(scene)
            logic.SetMRMLApplicationLogic(application)
            application.SetModuleLogic(name, logic)
    return Host(scene, application, logics)
