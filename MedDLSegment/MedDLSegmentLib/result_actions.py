"""What can be done with a result: show it in 3-D, show its table, put it into the DICOM database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from .button import Button
from .dicom_export import DicomExport, reasonNotToExport
from .remedies import said
from .segment_session import SegmentSession
from .surface_steps import SurfaceSteps
from .translation import _


class ResultActions:
    """The buttons below the choice of the segmentation."""

    def __init__(
        self, ui: Any, session: SegmentSession, segmentation: Callable[[], Any], tell: Callable[..., None]
    ) -> None:
        """``segmentation`` gives the chosen node or None; ``tell`` takes changes of the panel's state."""
        self._ui, self._session, self._segmentation, self._tell = ui, session, segmentation, tell
        self._surfaces = SurfaceSteps(self._surfaceMade)
        self._export = DicomExport(
            lambda text: tell(done=text, problem=""), lambda error: tell(problem=said(error), done="")
        )
        ui.show3DButton.connect("clicked()", self.onShow3D)
        ui.statisticsButton.connect("clicked()", self.onStatistics)
        ui.dicomButton.connect("clicked()", self.onDicom)

    def onShow3D(self) -> None:
        """Makes the surfaces, or hides them."""
        segmentation = self._segmentation()
        if segmentation is None:
            return
        if self._surfaces.isRunning:
            self.stop()
        elif _isShown3D(segmentation):
            segmentation.GetDisplayNode().SetVisibility3D(False)
            self.show()
        else:
            self._surfaces.start(segmentation)
            self.show()

    def onStatistics(self) -> None:
        """Shows the table of volumes in a layout that has room for it."""
        from MedDLScene.result_nodes import statisticsTable

        table = statisticsTable(self._segmentation())
        layouts = slicer.app.layoutManager()
        layouts.setLayout(slicer.modules.tables.logic().GetLayoutWithTable(layouts.layout))
        logic = slicer.app.applicationLogic()
        logic.GetSelectionNode().SetActiveTableID(table.GetID())
        logic.PropagateTableSelection()

    def onDicom(self) -> None:
        """Puts the segmentation into the DICOM database."""
        if not self._export.isRunning:
            self._tell(done=_("Writing the DICOM segmentation ..."), problem="")
            self._export.start(self._segmentation(), self._session.worker)
            self.show()

    def stop(self) -> None:
        """Makes no more surfaces; what is shown stays as it is."""
        if self._surfaces.isRunning:
            self._surfaces.stop()
            self._tell(surfaces=None)

    def show(self) -> None:
        """What can be clicked, and why not."""
        segmentation = self._segmentation()
        some = segmentation is not None and segmentation.GetSegmentation().GetNumberOfSegments() > 0
        none = "" if some else _("There is no segmentation yet.")
        _show3DButton(some, self._surfaces.isRunning, some and _isShown3D(segmentation)).show(self._ui.show3DButton)
        table = some and _hasTable(segmentation)
        why = none or ("" if table else _("This segmentation has no table: it is no result of MedDL."))
        Button(_("Statistics"), table, why or _("Shows the table of volumes.")).show(self._ui.statisticsButton)
        why = _("Wait for the one that is written.") if self._export.isRunning else reasonNotToExport(segmentation)
        about = why or _("Writes a DICOM segmentation into the database, in the study of its series.")
        Button(_("To DICOM"), not why, about).show(self._ui.dicomButton)

    def _surfaceMade(self, done: int, count: int) -> None:
        self._tell(surfaces=(done, count) if done < count else None)


def _show3DButton(some: bool, isRunning: bool, isShown: bool) -> Button:
    if isRunning:
        return Button(_("Stop"), True, _("Makes no more surfaces."))
    if isShown:
        return Button(_("Hide 3D"), True, _("Hides the surfaces of the segments."))
    about = _("Makes the surfaces of the segments and shows them.") if some else _("There is no segmentation yet.")
    return Button(_("Show 3D"), some, about)


def _hasTable(segmentation: Any) -> bool:
    from MedDLScene.result_nodes import statisticsTable

    return statisticsTable(segmentation) is not None


def _isShown3D(segmentation: Any) -> bool:
    display = segmentation.GetDisplayNode()
    return bool(display is not None and display.GetVisibility3D()) and bool(
        segmentation.GetSegmentation().ContainsRepresentation("Closed surface")
    )
