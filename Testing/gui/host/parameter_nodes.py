"""``slicer.parameterNodeWrapper``, for the types of parameters and the widgets that our modules use.

As Slicer's: values are texts of the node (nodes are references), a widget takes part by its dynamic property
``SlicerParameterName`` and only if it is exactly of a known class, a change on either side reaches the other, and a
parameter that is not stated is written with its default as soon as the node is wrapped.
"""

from __future__ import annotations

import json
import typing
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import slicer
import vtk

from .mrml_widgets import qMRMLNodeComboBox
from .qt_names import WIDGETS


@dataclass(frozen=True)
class WithinRange:
    """An annotation of a number."""

    minimum: float
    maximum: float


@dataclass(frozen=True)
class _Parameter:
    name: str
    kind: Any
    within: WithinRange | None
    default: Any

    @property
    def isNode(self) -> bool:
        return isinstance(self.kind, type) and issubclass(self.kind, slicer.vtkMRMLNode)

    def read(self, node: Any) -> Any:
        if self.isNode:
            return node.GetNodeReference(self.name)
        return json.loads(node.GetParameter(self.name))

    def write(self, node: Any, value: Any) -> None:
        if self.isNode:
            if value is not None and not isinstance(value, self.kind):
                raise TypeError(f"{self.name} is not a {self.kind}")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        plain = list if get_origin(self.kind) is list else self.kind
        if type(value) is not plain:
            raise TypeError(f"{self.name} is a {plain.__name__}, not {value!r}")
        if self.within is not None and not self.within.minimum <= value <= self.within.maximum:
            raise ValueError(f"{self.name} is out of its range: {value}")
        node.SetParameter(self.name, json.dumps(value))


def parameterNodeWrapper(kind: type) -> type:
    """Makes the annotations of a class parameters of a node."""
    parameters = {
        name: _parameter(kind, name, hint) for name, hint in get_type_hints(kind, include_extras=True).items()
    }
    for parameter in parameters.values():
        setattr(kind, parameter.name, _property(parameter))
    for member in ("__init__", "connectGui", "disconnectGui", "AddObserver", "RemoveObserver"):
        setattr(kind, member, getattr(_Wrapper, member))
    kind.parameters = parameters
    return kind


class _Wrapper:
    """Members of a wrapped class."""

    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._connected: dict[int, list[tuple[_Parameter, Any, str, Any]]] = {}
        self._updating = False
        for parameter in self.parameters.values():
            if not parameter.isNode and not parameterNode.GetParameter(parameter.name):
                parameter.write(parameterNode, parameter.default)

    def connectGui(self, gui: Any) -> int:
        """Ties the widgets to the parameters, until ``disconnectGui``."""
        tied = []
        for widget in vars(gui).values():
            name = widget.property("SlicerParameterName")
            if not name:
                continue
            parameter = self.parameters[name]
            signal, read, write = _connector(widget, parameter)

            def changed(*_: Any, parameter: _Parameter = parameter, read: Any = read) -> None:
                if not self._updating:
                    parameter.write(self.parameterNode, read())

            write(parameter.read(self.parameterNode))
            widget.connect(signal, changed)
            tied.append((parameter, widget, signal, (changed, write)))
        tag = len(self._connected)
        self._connected[tag] = tied
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: _update(self))
        return tag

    def disconnectGui(self, tag: int | None) -> None:
        """Unties them."""
        for _, widget, signal, (changed, _write) in self._connected.pop(tag, []):
            widget.disconnect(signal, changed)

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        """The node's."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        """The node's."""
        self.parameterNode.RemoveObserver(tag)


def _update(wrapper: Any) -> None:
    if wrapper._updating:
        return
    wrapper._updating = True
    try:
        for tied in wrapper._connected.values():
            for parameter, _, _, (_, write) in tied:
                write(parameter.read(wrapper.parameterNode))
    finally:
        wrapper._updating = False


def _parameter(kind: type, name: str, hint: Any) -> _Parameter:
    plain, within = hint, None
    if get_origin(hint) is Annotated:
        plain, within = get_args(hint)
    known = plain in (str, bool, int) or plain == list[str]
    is_node = isinstance(plain, type) and issubclass(plain, slicer.vtkMRMLNode)
    if not known and not is_node:
        raise TypeError(f"there is no stand-in for a parameter of type {hint}")
    empty = None if is_node else (typing.get_origin(plain) or plain)()
    return _Parameter(name, plain, within, getattr(kind, name, empty))


def _property(parameter: _Parameter) -> property:
    return property(
        lambda self: parameter.read(self.parameterNode), lambda self, value: parameter.write(self.parameterNode, value)
    )


def _connector(widget: Any, parameter: _Parameter) -> tuple[str, Any, Any]:
    """Signal, how a widget is read and how it is written."""
    if type(widget) is qMRMLNodeComboBox and parameter.isNode:
        return "currentNodeChanged(vtkMRMLNode*)", widget.currentNode, widget.setCurrentNode
    if type(widget) is WIDGETS["QCheckBox"] and parameter.kind is bool:
        return "stateChanged(int)", lambda: widget.checked, widget.setChecked
    if type(widget) is WIDGETS["QLineEdit"] and parameter.kind is str:
        return "textChanged(QString)", lambda: widget.text, widget.setText
    if type(widget) is WIDGETS["QSpinBox"] and parameter.kind is int:
        if parameter.within is not None:
            widget.setRange(parameter.within.minimum, parameter.within.maximum)
        return "valueChanged(int)", lambda: widget.value, widget.setValue
    raise RuntimeError(f"no connector from {parameter.kind} to {type(widget).__name__}")
