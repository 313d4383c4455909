"""PythonQt's ways over PySide6's classes: Qt in Slicer is reached through PythonQt, which differs.

What PythonQt does, and ``Bridge`` does for a PySide6 class:

- A Qt property is an attribute: ``button.text`` is a ``str``, ``button.text = "Apply"`` sets it. ``name`` is
  ``objectName``. Setters stay methods (``setText``); getters of properties are not methods. What is no property
  (``listWidget.item(0)``, ``listItem.text()``, ``process.state()``) is a method there too.
- ``sender.connect("clicked(bool)", slot)`` takes C++'s signature; the slot gets as many of the signal's arguments as
  it accepts. PythonQt prints a line and returns False where there is no such signal; here that is an error.
- Attributes that are neither properties nor the Python subclass's own cannot be set.

Read in PythonQt 4.1.0, of which CTK builds a fork for Slicer 5.12 and 5.13 (with Qt 5 and Qt 6):

- A Python function or method gets as many arguments as it has positional parameters, those with a default included; any
  other callable, such as a C++ slot that is passed on, gets all.
- ``disconnect`` finds a slot by equality: a bound method that is taken anew is the same.
- A list of texts may be any sequence; ``bytes`` become a ``QByteArray``, whose ``data()`` is ``bytes`` again.
- Enumerators are numbers, found in their class (``qt.QProcess.CrashExit``); flags may be a plain number.
- An item that is given to a list or a table belongs to C++ from then on.

- ``None`` for a text becomes the text "None" there, and a keyword is an error: both are refused here.
- What PySide6 has and PythonQt, Qt 5 or Qt 6 may lack is refused: ``qt_members`` lists what is known to be in all.

What PythonQt does and this does not check:

- An object that only Python refers to is deleted with its last reference, there as here; one with a parent is not.
- A Python exception in a slot is printed there, and goes on here as PySide6 has it; ``raised`` collects it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any, ClassVar

from PySide6 import QtCore

from . import qt_members

Slot = Callable[..., object]

raised: list[BaseException] = []
"""What slots raised, the first one first. A test in which a slot raised has failed."""


VIRTUAL = {"sizeHint", "minimumSizeHint", "spacing"}
"""Getters of properties that stay methods here: Qt asks Python for them, and to ask Qt in turn would never end."""


def enter(slot: Slot, *args: Any) -> None:
    """Calls a slot. A benchmark puts a clock here."""
    slot(*args)


class Bridge:
    """Comes before a class of PySide6 among the bases.

    The hooks call ``super().__getattribute__``: those of ``object`` lose ``self`` in overloaded static methods.
    """

    stand_in_signals: ClassVar[dict[str, str]] = {}
    """Signatures of signals whose arguments are of types that PySide6 does not know -> the Python name."""

    def __getattribute__(self, name: str) -> Any:
        read = super().__getattribute__
        if name in ("connect", "disconnect"):  # an object of PySide6 has its own before those of its classes
            return getattr(type(self), name).__get__(self)
        if name.startswith("_") or name == "stand_in_signals" or name in VIRTUAL:
            return read(name)
        isAsked, found = qt_members.check(type(self), name), _property(read, name)
        if found is not None:
            return _plain(read("property")(found))
        return qt_members.called(read(name)) if isAsked else read(name)

    def __setattr__(self, name: str, value: Any) -> None:
        read = super().__getattribute__
        if name.startswith("_"):
            super().__setattr__(name, value)
            return
        qt_members.check(type(self), name)
        found = _property(read, name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no property {name!r}")
        if value is None:
            raise TypeError(f"{type(self).__name__}.{name} cannot be None")
        if not read("setProperty")(found, list(value) if isinstance(value, tuple) else value):
            raise TypeError(f"{type(self).__name__}.{name} cannot be {value!r}")

    def connect(self, signal: str, slot: Slot, *rest: Any) -> Any:
        """As PythonQt's."""
        if signal.startswith("2"):  # PySide6's own signals look this method up
            return QtCore.QObject.connect(self, signal, slot, *rest)
        bound, arity = self._signal(signal)
        if signal not in self.stand_in_signals:
            qt_members.check(type(self), signal)

        def call(*args: Any) -> None:
            try:
                enter(slot, *args[: min(arity, _accepted(slot))])
            except Exception as error:
                raised.append(error)
                raise

        exact = (lambda: call(), lambda a: call(a), lambda a, b: call(a, b))[arity]  # PySide6 counts parameters
        bound.connect(exact)
        self.__dict__.setdefault("_connected", {}).setdefault((signal, slot), []).append(exact)
        return True

    def disconnect(self, signal: str, slot: Slot, *rest: Any) -> Any:
        """As PythonQt's."""
        if signal.startswith("2"):
            return QtCore.QObject.disconnect(self, signal, slot, *rest)
        bound, _ = self._signal(signal)
        calls = self.__dict__.get("_connected", {}).get((signal, slot))
        if not calls:
            raise ValueError(f"{type(self).__name__}: {signal} is not connected to {slot}")
        bound.disconnect(calls.pop())
        return True

    def _signal(self, signal: str) -> tuple[Any, int]:
        """The signal of PySide6, and how many arguments it has in this signature."""
        read = super().__getattribute__
        signature = bytes(QtCore.QMetaObject.normalizedSignature(signal).data()).decode()
        if signature in self.stand_in_signals:
            return read(self.stand_in_signals[signature]), signature.count(",") + (not signature.endswith("()"))
        meta = read("metaObject")()
        index = meta.indexOfSignal(signature)
        if index < 0:
            raise ValueError(f"{type(self).__name__} has no signal {signal!r}")
        method = meta.method(index)
        return read(bytes(method.name().data()).decode()), method.parameterCount()


def _property(read: Callable[[str], Any], name: str) -> str | None:
    """The Qt property, declared or dynamic, behind an attribute; None where there is none."""
    name = "objectName" if name == "name" else name
    if read("metaObject")().indexOfProperty(name) >= 0:
        return name
    return name if name in (bytes(given.data()).decode() for given in read("dynamicPropertyNames")()) else None


def _plain(value: Any) -> Any:
    """Values as PythonQt gives them: enumerations are numbers, lists of texts tuples."""
    if isinstance(value, Enum):
        return value.value
    return tuple(value) if isinstance(value, list) else value


def _accepted(slot: Slot) -> float:
    """How many positional arguments a slot takes."""
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):  # built in
        return float("inf")
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return float("inf")
    return sum(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters
    )


def bridged(kind: type) -> type:
    """The class as PythonQt would give it."""
    before = Bridge if issubclass(kind, QtCore.QObject) else qt_members.Listed
    return type(kind.__name__, (before, kind), {"__doc__": kind.__doc__})
