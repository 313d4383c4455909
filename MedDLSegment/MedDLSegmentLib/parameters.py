"""What a person has chosen in the panel: kept in the scene, saved and loaded with it."""

from __future__ import annotations

from typing import Annotated

from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

VOLUMES = ("inputVolume", "inputVolume2", "inputVolume3", "inputVolume4")
"""The parameters for the model's inputs, in their order."""


@parameterNodeWrapper
class MedDLSegmentParameterNode:
    """The parameters of MedDLSegment.

    Attributes:
        inputVolume, inputVolume2, inputVolume3, inputVolume4: for each input of the model.
        model: its name.
        structures: names of what to find; empty: all.
        region: only this part; None: the whole volume.
        points: around them a model looks that was trained on crops.
        segmentation: gets the result; None: a new one.
        device: ``auto``, ``cpu``, ``cuda:0``, ``mps``.
        threads: on the CPU; 0: all cores.
        cropBody: leave the air around the patient out.
        wholeSequence: all volumes of the sequence whose item the first volume shows.
        correctModel: answers clicks; see ``correct_state.CorrectState.wantedModel``.
        correctStructure: the one that is clicked.
        correctSet: folder of the training set that corrected cases go into.
        batchSource: ``database``, ``selection`` or ``folder``.
        batchFolder: with the scans of a batch.
        batchOut: gets its results.
        batchModality, batchThickness, batchDescription, batchThinnest: see ``batch_state.rules``.
        batchRuleFile: further rules; empty: none.
        batchWorkers: scans at once; 0: as many as memory and cores allow.
        batchPictures: one of each result.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    inputVolume2: vtkMRMLScalarVolumeNode
    inputVolume3: vtkMRMLScalarVolumeNode
    inputVolume4: vtkMRMLScalarVolumeNode
    model: str
    structures: list[str]
    region: vtkMRMLMarkupsROINode
    points: vtkMRMLMarkupsFiducialNode
    segmentation: vtkMRMLSegmentationNode
    device: str = "auto"
    threads: Annotated[int, WithinRange(0, 256)] = 0
    cropBody: bool = False
    wholeSequence: bool = False
    correctModel: str
    correctStructure: str
    correctSet: str
    batchSource: str = "database"
    batchFolder: str
    batchOut: str
    batchModality: str
    batchThickness: str
    batchDescription: str
    batchThinnest: bool = False
    batchRuleFile: str
    batchWorkers: Annotated[int, WithinRange(0, 16)] = 1
    batchPictures: bool = True
