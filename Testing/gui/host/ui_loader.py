"""Reads .ui files as Slicer's ``QUiLoader`` does, and refuses what Slicer would leave out without a word."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping

from PySide6 import QtCore, QtUiTools, QtWidgets

SCENE_CONNECTION = ("mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)")

OF_THE_READER = {"buddy"}
"""Properties that no widget has, and every reader of .ui files knows."""


class QUiLoader(QtUiTools.QUiLoader):
    """Makes stand-ins by their class names."""

    kinds: Mapping[str, type] = {}

    def __init__(self) -> None:
        super().__init__()
        self._made: list[object] = []  # a widget that only Qt holds comes back as a plain one
        self._error: Exception | None = None  # an exception that passes through Qt's reader would end the process

    def load(self, file: QtCore.QFile) -> QtWidgets.QWidget:
        """The widget of a file."""
        tree = ElementTree.fromstring(bytes(file.readAll().data()))
        passed_on = self._take_connections(tree)
        self._check(tree)
        content = QtCore.QBuffer()
        content.setData(ElementTree.tostring(tree))
        content.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(content)
        if self._error is not None:
            raise self._error
        if widget is None:
            raise RuntimeError(self.errorString())
        names = {made.objectName: made for made in self._made if isinstance(made, QtWidgets.QWidget)}
        for sender, receiver in passed_on:
            names[sender].connect(SCENE_CONNECTION[0], names[receiver].setMRMLScene)
        scene_widgets = {name for name, made in names.items() if hasattr(made, "setMRMLScene")}
        if unconnected := scene_widgets - {receiver for _, receiver in passed_on} - {widget.objectName}:
            raise ValueError(f"mrmlSceneChanged is not connected to {sorted(unconnected)}")
        widget._made = self._made
        return widget

    def createWidget(self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = "") -> object:
        """As ``QUiLoader`` wants it."""
        return self._make(class_name, parent, name)

    def createLayout(self, class_name: str, parent: QtCore.QObject | None = None, name: str = "") -> object:
        """As ``QUiLoader`` wants it."""
        return self._make(class_name, parent if isinstance(parent, QtWidgets.QWidget) else None, name)

    def _make(self, class_name: str, parent: QtWidgets.QWidget | None, name: str) -> object:
        try:
            made = self.kinds[class_name](parent) if parent is not None else self.kinds[class_name]()
            made.setObjectName(name)
        except Exception as error:  # noqa: BLE001
            self._error = self._error or error
            made = QtWidgets.QWidget(parent)
        self._made.append(made)
        return made

    @staticmethod
    def _take_connections(tree: ElementTree.Element) -> list[tuple[str, str]]:
        """Sender and receiver of each scene that is passed on: PySide6 does not know the type of its argument."""
        taken = []
        for connections in tree.findall("connections"):
            for connection in connections.findall("connection"):
                told = (connection.findtext("signal"), connection.findtext("slot"))
                if told != SCENE_CONNECTION:
                    raise ValueError(f"there is no stand-in for the connection {told}")
                taken.append((connection.findtext("sender", ""), connection.findtext("receiver", "")))
            tree.remove(connections)
        return taken

    def _check(self, tree: ElementTree.Element) -> None:
        """Every class has a stand-in, and every property that is not marked as dynamic is one of its class."""
        used = {element.get("class", "") for kind in ("widget", "layout") for element in tree.iter(kind)}
        if missing := used - set(self.kinds):
            raise ValueError(f"there is no stand-in for {sorted(missing)}")
        for element in tree.iter("widget"):
            meta = self.kinds[element.get("class", "")].staticMetaObject
            for given in element.findall("property"):
                name = given.get("name", "")
                if given.get("stdset") != "0" and name not in OF_THE_READER and meta.indexOfProperty(name) < 0:
                    raise ValueError(f"{element.get('class')} has no property {name!r}")
