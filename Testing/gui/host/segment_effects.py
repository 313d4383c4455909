"""Segment Editor as its scripted effects see it: nodes and logic are real, the editor's window is not there.

``qSlicerSegmentationsEditorEffectsPythonQt``, ``SegmentEditorEffects`` and what of the editor an effect uses.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
from PySide6 import QtWidgets


class qSlicerSegmentEditorAbstractEffect:
    """Its enumeration."""

    ModificationModeSet, ModificationModeAdd, ModificationModeRemove, ModificationModeRemoveAll = range(4)


class AbstractScriptedSegmentEditorEffect:
    """The base class of scripted effects."""

    def __init__(self, scriptedEffect: Any) -> None:
        self.scriptedEffect = scriptedEffect

    def register(self) -> None:
        """Makes the effect known to all editors."""
        slicer.qSlicerSegmentEditorEffectFactory.instance().registerEffect(self.scriptedEffect)


class qSlicerSegmentEditorEffectFactory:
    """Knows the effects. What a new editor shows are clones of them."""

    _only: qSlicerSegmentEditorEffectFactory | None = None

    def __init__(self) -> None:
        self.registered: dict[str, Any] = {}

    @classmethod
    def instance(cls) -> qSlicerSegmentEditorEffectFactory:
        """The one of the application."""
        cls._only = cls._only or cls()
        return cls._only

    def registerEffect(self, effect: Any) -> bool:
        """False: there is one of this name."""
        known = effect.name in self.registered
        self.registered.setdefault(effect.name, effect)
        return not known


class qSlicerSegmentEditorScriptedEffect:
    """An effect. Others' attributes are refused; what is not set is as Slicer has it."""

    __slots__ = ("_editor", "_frame", "_isActive", "_self", "name", "perSegment", "requireSegments", "title")

    def __init__(self, parent: Any = None) -> None:
        self.name, self.title, self.perSegment, self.requireSegments = "UnnamedScriptedEffect", "", True, True
        self._editor: Any = None
        self._frame: Any = None
        self._isActive = False

    def setPythonSource(self, path: str) -> bool:
        """As Slicer's: a module of the folder's name, and a class of the file's."""
        if "\\" in path or not path.endswith(".py"):
            return False
        module, kind = Path(path).parent.name, Path(path).stem
        if not hasattr(sys.modules.get(module), kind):
            spec = importlib.util.spec_from_file_location(module, path)
            assert spec is not None and spec.loader is not None
            sys.modules[module] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[module])
        self._self = getattr(sys.modules[module], kind)(self)
        return True

    def self(self) -> Any:
        """The Python object."""
        return self._self

    def parameterSetNode(self) -> Any:
        """Of the editor."""
        return self._editor.node

    def viewNode(self, viewWidget: Any) -> Any:
        """Of a view."""
        slice_ = hasattr(viewWidget, "mrmlSliceNode")
        return viewWidget.mrmlSliceNode() if slice_ else viewWidget.mrmlViewNode()

    def addOptionsWidget(self, widget: Any) -> None:
        """Below the others."""
        self._frame.layout().addRow(widget)

    def addLabeledOptionsWidget(self, label: str, widget: Any) -> None:
        """Below the others."""
        self._frame.layout().addRow(label, widget)

    def parameterDefined(self, name: str) -> bool:
        """An empty text is none."""
        return bool(self.parameterSetNode().GetAttribute(f"{self.name}.{name}"))

    def parameter(self, name: str) -> str:
        """Kept in the editor's node. One that nobody has set is a line in Slicer's log of errors; here it is one."""
        value = self.parameterSetNode().GetAttribute(f"{self.name}.{name}")
        if value is None:
            raise LookupError(f"the effect {self.name} has no parameter {name}")
        return value

    def setParameter(self, name: str, value: str) -> None:
        """Kept in the editor's node. What is empty from the beginning is not kept; of a change, effects alone hear."""
        node, attribute = self.parameterSetNode(), f"{self.name}.{name}"
        if value == (node.GetAttribute(attribute) or ""):
            return
        wasDisabled = node.GetDisableModifiedEvent()
        node.SetDisableModifiedEvent(1)
        node.SetAttribute(attribute, value)
        node.SetDisableModifiedEvent(wasDisabled)
        node.InvokeCustomModifiedEvent(node.EffectParameterModified)

    def setParameterDefault(self, name: str, value: str) -> None:
        """Where nothing is set."""
        if not self.parameterDefined(name):
            self.setParameter(name, value)

    def activate(self) -> None:
        """The person has chosen the effect."""
        self._isActive = True
        self.updateGUIFromMRML()
        self._self.activate()

    def updateGUIFromMRML(self) -> None:
        """As Slicer's: where one of the effects' parameters has changed, of the chosen effect alone."""
        if self._isActive:
            self._self.updateGUIFromMRML()

    def saveStateForUndo(self) -> None:
        """The editor's."""
        self._editor.logic.SaveStateForUndo()

    def modifySegmentByLabelmap(self, node: Any, segmentID: str, image: Any, mode: int, bypass: bool = False) -> None:
        """The editor's."""
        logic, names = self._editor.logic, ("Set", "Add", "Remove", "RemoveAll")
        known = getattr(logic, f"ModificationMode{names[mode]}")
        logic.ModifySegmentByLabelmap(node, segmentID, image, known, self.perSegment, bypass)


class Editor:
    """The module Segment Editor with one effect chosen.

    Attributes:
        node, logic: real ones.
        effect: the Python object of the clone.
        frame: with its options.
    """

    def __init__(self, name: str, volumeNode: Any, segmentationNode: Any) -> None:
        scene = slicer.mrmlScene
        self.node = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        self.node.SetAndObserveSegmentationNode(segmentationNode)
        self.node.SetAndObserveSourceVolumeNode(volumeNode)
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self.logic.SetMRMLScene(scene)
        self.logic.SetSegmentEditorNode(self.node)
        clone = qSlicerSegmentEditorEffectFactory.instance().registered[name].self().clone()
        self.frame = QtWidgets.QFrame()
        QtWidgets.QFormLayout(self.frame)
        clone._editor, clone._frame = self, self.frame
        self.effect = clone.self()
        self.effect.setMRMLDefaults()
        self.effect.setupOptionsFrame()
        clone.activate()
        self.node.AddObserver(self.node.EffectParameterModified, lambda *_: clone.updateGUIFromMRML())


def modules() -> dict[str, ModuleType]:
    """What can be imported."""
    made = {}
    for name, members in (
        ("qSlicerSegmentationsEditorEffectsPythonQt", [qSlicerSegmentEditorScriptedEffect]),
        ("SegmentEditorEffects", [AbstractScriptedSegmentEditorEffect]),
    ):
        made[name] = ModuleType(name)
        vars(made[name]).update({member.__name__: member for member in members})
    return made


OF_SLICER = {kind.__name__: kind for kind in (qSlicerSegmentEditorAbstractEffect, qSlicerSegmentEditorEffectFactory)}
