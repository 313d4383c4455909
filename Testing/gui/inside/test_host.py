"""The host is strict: what Slicer would pass over in silence is an error."""

from __future__ import annotations

from typing import Any

import pytest

from gui.host.qt_members import UnknownMemberError


def test_an_unknown_signal_property_or_class_fails(host: Any) -> None:
    import ctk
    import qt

    button = qt.QPushButton()
    for wrong in ("pressedTwice()", "clicked(int)"):
        with pytest.raises(ValueError, match="no signal"):
            button.connect(wrong, print)
    with pytest.raises(AttributeError, match="no property"):
        button.caption = "Apply"
    with pytest.raises(TypeError):
        button.text = None
    for module, name in ((qt, "QDockWidget"), (ctk, "ctkMatrixWidget")):
        with pytest.raises(AttributeError, match="no stand-in"):
            getattr(module, name)


@pytest.mark.parametrize(
    "inner",
    [
        '<widget class="QDial" name="x"/>',
        '<widget class="QLabel" name="x"><property name="caption"><string>x</string></property></widget>',
        '<widget class="qMRMLNodeComboBox" name="x"/>',
    ],
)
def test_a_ui_file_with_what_slicer_would_leave_out_fails(host: Any, tmp_path: Any, inner: str) -> None:
    import slicer

    path = tmp_path / "wrong.ui"
    path.write_text(f'<ui version="4.0"><class>X</class><widget class="QWidget" name="X">{inner}</widget></ui>')
    with pytest.raises(ValueError):
        slicer.util.loadUI(str(path))


def test_properties_are_attributes_and_slots_get_what_they_accept(host: Any) -> None:
    import qt

    box, told = qt.QCheckBox(), []
    box.name, box.checked = "given", False
    assert (box.name, box.objectName, box.checked) == ("given", "given", False)
    box.connect("toggled(bool)", lambda: told.append("none"))
    box.connect("toggled(bool)", told.append)
    box.setChecked(True)
    assert told == ["none", True]


@pytest.mark.parametrize(
    "line",
    ["qt.QComboBox().addItem(None)", "qt.QComboBox().addItem(text='a')", "qt.QListWidgetItem('a').setToolTip(None)"],
)
def test_what_pythonqt_makes_a_text_of_or_does_not_take_is_refused(host: Any, line: str) -> None:
    import qt

    with pytest.raises(TypeError, match="is called with"):
        exec(compile(line, str(host.folder / "MedDLSegmentLib" / "panel.py"), "exec"), {"qt": qt})


@pytest.mark.parametrize(
    ("line", "member"),
    [
        ("qt.QPushButton().text = 'Apply'", ""),
        ("qt.QTableWidget().setRowCount(2)", ""),
        ("slicer.qMRMLWidget().setMRMLScene(None)", ""),
        ("qt.QComboBox().connect('currentIndexChanged(int)', print)", ""),
        ("qt.QComboBox().connect('textActivated(QString)', print)", "QComboBox.textActivated(QString)"),
        ("qt.QComboBox().placeholderText = 'none'", "QComboBox.placeholderText"),
        ("qt.QTableWidget().isPersistentEditorOpen(None)", "QTableWidget.isPersistentEditorOpen"),
        ("qt.QListWidgetItem('a').setForeground(None)", "QListWidgetItem.setForeground"),
    ],
)
def test_a_member_of_qt_that_nobody_has_looked_up_is_refused(host: Any, line: str, member: str) -> None:
    import qt
    import slicer

    code = compile(line, str(host.folder / "MedDLSegmentLib" / "panel.py"), "exec")
    if not member:
        exec(code, {"qt": qt, "slicer": slicer})
        return
    with pytest.raises(UnknownMemberError) as refused:
        exec(code, {"qt": qt, "slicer": slicer})
    assert member in str(refused.value)
