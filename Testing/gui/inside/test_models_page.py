"""A person looks after the models: real files, a real worker, a server on this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import slicer

from fixtures.own_code import own_code_bundle
from fixtures.packages import threshold_package
from gui.host.desktop import DesktopServices, FileDialog

Wait = Callable[..., None]


@pytest.fixture
def page(widget: Any, wait: Wait) -> Iterator[Any]:
    """The page of models, shown."""
    wait(lambda: widget.panel.state.models is not None)
    widget.pages.show("Models")
    models = widget.pages.models
    yield models
    widget.pages.show("")
    wait(lambda: models.state.work is None and not models._errands.isRunning)
    models._ui.search.text = ""
    models._update(chosen="", examined=None, said="")


def lines(page: Any) -> list[str]:
    return [page._ui.list.item(n).text() for n in range(page._ui.list.count)]


def choose(page: Any, beginning: str) -> None:
    page._ui.list.setCurrentRow(next(n for n, line in enumerate(lines(page)) if line.startswith(beginning)))


def test_the_list_has_what_is_here_and_what_can_be_had(page: Any) -> None:
    ui = page._ui
    assert any(line.startswith("Bright things in CT") for line in lines(page))
    assert any("to download" in line for line in lines(page))
    ui.search.text = "bright"
    assert len(lines(page)) == 1
    choose(page, "Bright")
    assert "Licence: CC0-1.0" in ui.details.plainText and "On the disk" in ui.details.plainText
    assert not ui.mainButton.enabled and ui.removeButton.enabled and not ui.agreeCheckBox.visible


def test_nothing_is_got_before_the_licence_is_accepted(page: Any) -> None:
    ui = page._ui
    choose(page, "Brain tissue")
    assert "MIT License" in ui.details.plainText and "To download:" in ui.details.plainText
    assert ui.agreeCheckBox.visible and not ui.mainButton.enabled
    assert "tick that you accept it" in ui.mainButton.toolTip
    ui.agreeCheckBox.checked = True
    assert ui.mainButton.enabled and "github.com" in ui.mainButton.toolTip
    choose(page, "Bright")
    choose(page, "Brain tissue")
    assert not ui.agreeCheckBox.checked and not ui.mainButton.enabled


def test_a_folder_is_added_and_removed(page: Any, widget: Any, wait: Wait, tmp_path: Path, monkeypatch: Any) -> None:
    ui = page._ui
    threshold_package(tmp_path / "mine", name="mine", title="Mine alone")
    FileDialog.answers.append(str(tmp_path / "mine"))
    ui.addFolderButton.click()
    assert ui.mainButton.text == "Cancel" and ui.progressBar.visible and "Adding mine" in ui.statusLabel.text
    wait(lambda: page.state.work is None)
    assert ui.statusLabel.text == "mine is there, and can be chosen."
    wait(lambda: any(line.startswith("Mine alone") for line in lines(page)))
    assert any(model.name == "mine" for model in widget.panel.state.models)
    wait(lambda: not page._errands._worker)  # its process ends with the errand
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_: True)
    ui.removeButton.click()
    wait(lambda: page.state.work is None)
    wait(lambda: not any(line.startswith("Mine alone") for line in lines(page)))


def test_what_is_no_model_is_refused_in_words(page: Any, wait: Wait, tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_text("no zip")
    FileDialog.answers.append(str(tmp_path / "no.zip"))
    page._ui.addZipButton.click()
    wait(lambda: page.state.work is None)
    assert page._ui.statusLabel.text.startswith("no.zip is not a zip.")
    FileDialog.answers.append("")  # the person cancels the dialog
    page._ui.addZipButton.click()
    assert page.state.work is None


def test_a_folder_with_code_is_shown_before_it_is_trusted(
    page: Any, wait: Wait, tmp_path: Path, monkeypatch: Any
) -> None:
    ui = page._ui
    bundle = own_code_bundle(tmp_path / "bundle")
    FileDialog.answers.append(str(bundle))
    ui.addFolderButton.click()
    wait(lambda: page.state.examined is not None)
    assert "WARNING" in ui.details.plainText and "scripts/own.py" in ui.details.plainText
    assert (ui.mainButton.text, ui.mainButton.enabled) == ("Trust", False)
    ui.agreeCheckBox.checked = True
    ui.mainButton.click()
    wait(lambda: page.state.work is None)
    assert "is trusted, with these very files" in ui.statusLabel.text
    wait(lambda: page.state.row is not None)
    assert page.state.row.offered.origin == "trusted" and ui.removeButton.text == "Trust no more"
    wait(lambda: not page._errands.isRunning)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_: True)
    ui.removeButton.click()
    wait(lambda: page.state.work is None)
    wait(lambda: page.state.row is None)
    assert bundle.is_dir()


def test_a_download_that_hangs_can_be_cancelled(page: Any, widget: Any, wait: Wait, monkeypatch: Any) -> None:
    """By way of a proxy on this machine that never answers."""
    ui, worker = page._ui, widget.logic.session.worker
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        choose(page, "Brain tissue")
        ui.agreeCheckBox.checked = True
        ui.mainButton.click()
        assert ui.mainButton.text == "Cancel" and ui.statusLabel.text.startswith("Downloading brain-tissue-t1")
        proxy.setblocking(False)
        connections: list[socket.socket] = []

        def is_connected() -> bool:
            with suppress(BlockingIOError):
                connections.append(proxy.accept()[0])
            return bool(connections)

        wait(is_connected)
        with connections[0]:
            ui.mainButton.click()
            assert ui.statusLabel.text == "Cancelling ..." and not ui.mainButton.enabled
            wait(lambda: page.state.work is None)
    assert ui.statusLabel.text.startswith("Cancelled.")
    assert worker.isRunning  # what segments has not noticed


def test_the_folder_of_models_is_shown(page: Any, models: Path) -> None:
    page._ui.openFolderButton.click()
    assert DesktopServices.opened[-1] == str(models)
