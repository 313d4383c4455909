"""Stand-ins for Slicer's own widgets, on a real scene."""

from __future__ import annotations

from typing import Any, ClassVar

from PySide6 import QtCore, QtWidgets
from slicer import vtkMRMLScene
from vtk import vtkCommand

from MedDLScene.scene_nodes import nodesOfScene

from .pythonqt import Bridge


class qMRMLWidget(Bridge, QtWidgets.QWidget):
    """A widget that passes its scene on. ``mrmlSceneChanged`` is connected to the others in the .ui file."""

    mrmlSceneChanged = QtCore.Signal(object)
    stand_in_signals: ClassVar = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def setMRMLScene(self, scene: Any) -> None:
        """Passes the scene on."""
        self.mrmlSceneChanged.emit(scene)


class qSlicerMarkupsPlaceWidget(Bridge, QtWidgets.QWidget):
    """Buttons to place points in the views, which are not here. As Slicer's: without a node it can do nothing."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._place = QtWidgets.QToolButton(self)
        self._place.setText("+")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._place)
        self.setCurrentNode(None)

    def setMRMLScene(self, scene: Any) -> None:
        """Slicer's follows the scene's interaction node."""

    def placeButton(self) -> QtWidgets.QToolButton:
        """The one that begins to place."""
        return self._place

    def setCurrentNode(self, node: Any) -> None:
        """The list that gets the points."""
        self._node = node
        self._place.setEnabled(node is not None)

    def currentNode(self) -> Any:
        """The list that gets the points."""
        return self._node


class qMRMLNodeComboBox(Bridge, QtWidgets.QWidget):
    """A list of the scene's nodes of some classes.

    As Slicer's: without "None", the first node is chosen as soon as there is one; where the chosen node is removed,
    another one is chosen, or none. While a scene is closed or imported, it follows at the end.
    """

    currentNodeChanged = QtCore.Signal(object)
    stand_in_signals: ClassVar = {"currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged"}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._observed: list[int] = []
        self._current: str = ""
        self._given: dict[str, Any] = {
            "nodeTypes": [], "noneEnabled": False, "addEnabled": True, "removeEnabled": True, "renameEnabled": False,
            "showChildNodeTypes": True, "noneDisplay": "None", "baseName": "",
        }  # fmt: skip
        self._box = QtWidgets.QComboBox(self)
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.setFocusProxy(self._box)
        self._box.activated.connect(self._activated)

    def _declared(name: str, kind: Any) -> QtCore.Property:  # noqa: N805
        def read(self: Any) -> Any:
            return self._given[name]

        def write(self: Any, value: Any) -> None:
            self._given[name] = value
            self._refresh()

        return QtCore.Property(kind, read, write)

    nodeTypes = _declared("nodeTypes", "QStringList")
    noneEnabled = _declared("noneEnabled", bool)
    addEnabled = _declared("addEnabled", bool)
    removeEnabled = _declared("removeEnabled", bool)
    renameEnabled = _declared("renameEnabled", bool)
    showChildNodeTypes = _declared("showChildNodeTypes", bool)
    noneDisplay = _declared("noneDisplay", str)
    baseName = _declared("baseName", str)

    def setMRMLScene(self, scene: Any) -> None:
        """Lists this scene's nodes from now on; None lists none."""
        for tag in self._observed:
            self._scene.RemoveObserver(tag)
        self._scene, self._observed = scene, []
        if scene is not None:
            events = (
                vtkMRMLScene.NodeAddedEvent, vtkMRMLScene.NodeRemovedEvent, vtkMRMLScene.EndCloseEvent,
                vtkMRMLScene.EndImportEvent, vtkMRMLScene.EndBatchProcessEvent, vtkCommand.ModifiedEvent,
            )  # fmt: skip
            self._observed = [scene.AddObserver(event, self._sceneChanged) for event in events]
        self._refresh()

    def currentNode(self) -> Any:
        """The chosen node, or None."""
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        """Chooses a node; None chooses none, and so does a node that is not listed, or not yet."""
        identifier = node.GetID() if node is not None else ""
        self._choose(identifier if self._box.findData(identifier) >= 0 else "")

    def nodeCount(self) -> int:
        """How many nodes can be chosen."""
        return len(self._nodes())

    def _nodes(self) -> list[Any]:
        nodes = []
        for kind in self._given["nodeTypes"] if self._scene is not None else ():
            for node in nodesOfScene(self._scene, kind):
                exact = self._given["showChildNodeTypes"] or node.GetClassName() == kind
                if exact and not node.GetHideFromEditors():
                    nodes.append(node)
        return nodes

    def _sceneChanged(self, *_: Any) -> None:
        if not (self._scene.IsImporting() or self._scene.IsClosing()):
            self._refresh()

    def _refresh(self) -> None:
        nodes = self._nodes()
        self._box.blockSignals(True)
        self._box.clear()
        if self._given["noneEnabled"] or not nodes:
            self._box.addItem(self._given["noneDisplay"] if self._given["noneEnabled"] else "Select a node", "")
        for node in nodes:
            self._box.addItem(node.GetName(), node.GetID())
        self._box.blockSignals(False)
        kept = self._current if self._current in [node.GetID() for node in nodes] else ""
        if not kept and nodes and not self._given["noneEnabled"]:
            kept = nodes[0].GetID()
        self._choose(kept)

    def _choose(self, identifier: str) -> None:
        self._box.setCurrentIndex(max(0, self._box.findData(identifier)))
        if identifier != self._current:
            self._current = identifier
            self.currentNodeChanged.emit(self.currentNode())

    def _activated(self, index: int) -> None:
        self._choose(self._box.itemData(index))
