"""The page of the installation: which Python runs networks, what it has, and what must be installed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

from MedDLCore.worker.process import worker_environment

from . import installation_state
from .button import Button
from .installation_state import KEPT, Found, InstallationState
from .installing import NotInstalledError, install, installFrom, whyNot
from .translation import _
from .worker_process import interpreter


class InstallationPage:
    """Ties the widgets of ``MedDLSegmentInstallation.ui`` to the state.

    Attributes:
        state: what is shown.
    """

    def __init__(self, ui: Any, python: str, onPython: Callable[[str], None]) -> None:
        """Looks at nothing yet.

        Args:
            ui: the widgets by their names.
            python: the interpreter that the person chose; empty: Slicer's own.
            onPython: told of the interpreter when the person chooses one, and when something was installed.
        """
        self._ui, self._onPython = ui, onPython
        self._process: Any = None
        self._last: Any = None
        self.state = InstallationState(python=python)
        ui.pythonEdit.connect("editingFinished()", lambda: self._choosePython(ui.pythonEdit.text))
        ui.choosePythonButton.connect("clicked()", self.onChoosePython)
        ui.checkButton.connect("clicked()", self.check)
        ui.installButton.connect("clicked()", self.onInstall)
        ui.installFromButton.connect("clicked()", self.onInstallFrom)
        ui.pythonEdit.text = python
        self._show()

    def enter(self) -> None:
        """The person looks at the page."""
        if self.state.found is None and self._process is None:
            self.check()

    def setDevices(self, devices: tuple[str, ...]) -> None:
        """What the worker can run networks on."""
        self._update(devices=devices)

    def check(self) -> None:
        """Asks the Python what it has, in a process of its own."""
        from MedDLCore import found_libraries

        self._stop()
        looking = _("Looking what is installed ...")
        self._update(found=None, problem="", busy=looking, said="", cannotInstall=whyNot())
        command, environment = interpreter(self.state.python)
        process = self._process = qt.QProcess()
        variables = qt.QProcessEnvironment()
        for name, value in worker_environment(environment).items():
            variables.insert(name, value)
        process.setProcessEnvironment(variables)
        process.setStandardErrorFile(os.devnull)
        process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._failed)
        names = {*KEPT, *(needed.name for needed in self.state.needed)}
        process.start(command, [str(Path(found_libraries.__file__)), *sorted(names)])

    def onChoosePython(self) -> None:
        """An interpreter that the person chooses."""
        chosen = qt.QFileDialog.getOpenFileName(None, _("The Python that runs networks"), "")
        if chosen:
            self._choosePython(chosen)

    def onInstall(self) -> None:
        """Downloads and installs what is missing, after asking."""
        self._install(lambda: install(self.state.missing))

    def onInstallFrom(self) -> None:
        """Installs what is missing from a folder of wheels."""
        wheels = qt.QFileDialog.getExistingDirectory(None, _("A folder of wheels"), "")
        if wheels:
            self._install(lambda: installFrom(Path(wheels), self.state.missing))

    def close(self) -> None:
        """Nothing goes on after this."""
        self._stop()

    def _install(self, work: Callable[[], None]) -> None:
        self._update(busy=_("Installing ..."))
        try:
            work()
        except NotInstalledError as error:
            self.check()
            self._update(said=str(error))
        else:
            self.check()
            self._onPython(self.state.python)

    def _choosePython(self, python: str) -> None:
        python = python.strip()
        if python == self.state.python:
            return
        self._update(python=python, devices=())
        self.check()
        self._onPython(python)

    def _finished(self, _status: int, _how: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._last = process  # it is telling this: it must not be deleted now
        output = bytes(process.readAllStandardOutput().data()).decode("utf-8", "replace")
        try:
            self._update(found=Found.read(output), busy="")
        except ValueError:
            self._update(
                problem=_("This is no Python that can be asked: {file}").format(file=self._shownPython), busy=""
            )

    def _failed(self, error: object) -> None:
        if error == qt.QProcess.FailedToStart and self._process is not None:
            self._last, self._process = self._process, None
            text = _("This Python could not be started: {file}").format(file=self._shownPython)
            self._update(problem=text, busy="")

    @property
    def _shownPython(self) -> str:
        return self.state.python or interpreter()[0]

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.waitForFinished(1000)

    def _update(self, **changes: Any) -> None:
        self.state = self.state.with_(**changes)
        self._show()

    def _show(self) -> None:
        state, ui = self.state, self._ui
        if ui.pythonEdit.text != state.python:
            ui.pythonEdit.text = state.python
        report = installation_state.report(state)
        if ui.report.plainText != report:
            ui.report.setPlainText(report)
        button = installation_state.installButton(state)
        button.show(ui.installButton)
        fromFolder = _("Installs what is missing from a folder of wheels, where there is no network.")
        Button(ui.installFromButton.text, button.enabled, fromFolder if button.enabled else button.toolTip).show(
            ui.installFromButton
        )
        ui.checkButton.enabled = not state.busy
        verdict, command = installation_state.verdict(state), installation_state.command(state)
        ui.verdictLabel.text, ui.verdictLabel.visible = verdict, bool(verdict)
        ui.commandEdit.text, ui.commandEdit.visible = command, bool(command)
        ui.commandEdit.cursorPosition = 0  # its beginning is seen
