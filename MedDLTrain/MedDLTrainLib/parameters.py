"""What a person has chosen in the panel: kept in the scene, saved and loaded with it."""

from __future__ import annotations

from typing import Annotated

from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper


@parameterNodeWrapper
class MedDLTrainParameterNode:
    """The parameters of MedDLTrain.

    Attributes:
        source: where the cases are: ``folder``, ``scene``, or ``database``.
        dataFolder: of the cases.
        channels: names of the inputs of a case, with commas; empty: one, or as the data set says.
        caseInputs: the volumes of the scene that a person chose for them, see ``case_inputs.toText``.
        trainingFolder: gets everything that the training makes.
        labelTable: rows of the table of labels that a person has changed, JSON; empty: as it is proposed.
        leftOut: ids of the cases that are not used.
        minutes: in which the training is to end.
        memory: GB that it may take.
        interactive: the network learns to listen to clicks, too.
        device: ``auto``, ``cpu``, ``cuda:0``, ``mps``.
        threads: on the CPU; 0: all cores.
        folds: parts of the cases, of which one is held out.
        allFolds: a cross-validation: each part is held out once, and the model is the ensemble.
        network: MONAI's name of one; empty: as it is planned.
        start: a model to begin with; empty: none.
        seed: of everything that is drawn.
        planFile: a plan to follow, in place of making one; empty: none.
        onlyHeldOut: the report is of the cases that were not learnt from.
        licence: of the published model, SPDX.
        authors: who made it.
        intendedUse: what it is for.
        limits: where it fails.
        dataSource: where the cases come from.
        replace: a published model, or one of this machine, of the same name.
    """

    source: str = "folder"
    dataFolder: str
    channels: str
    caseInputs: str
    trainingFolder: str
    labelTable: str
    leftOut: list[str]
    minutes: Annotated[int, WithinRange(1, 100000)] = 60
    memory: Annotated[int, WithinRange(1, 1000)] = 4
    interactive: bool = False
    device: str = "auto"
    threads: Annotated[int, WithinRange(0, 256)] = 0
    folds: Annotated[int, WithinRange(2, 20)] = 5
    allFolds: bool = False
    network: str
    start: str
    seed: Annotated[int, WithinRange(0, 1000000)] = 0
    planFile: str
    onlyHeldOut: bool = True
    licence: str
    authors: str
    intendedUse: str
    limits: str
    dataSource: str
    replace: bool = False
