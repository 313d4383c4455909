"""The one place where Slicer's libraries and VTK are imported, so that their absence is one clear refusal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from MedDLCore.errors import Code, MedDLError

try:
    import slicer
    import vtk
    from vtk.util import numpy_support
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] not in ("slicer", "vtk", "vtkmodules"):
        raise
    raise MedDLError(
        Code.EXTRA_MISSING,
        "Scenes, segmentation nodes and surfaces need Slicer's libraries, which are not installed here.",
        "pip install 'meddl[scene]'",
    ) from error

__all__ = ["numpy_support", "quiet", "slicer", "vtk"]


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps VTK from printing errors and warnings, where the caller finds out by itself what went wrong."""
    shown, window = vtk.vtkObject.GetGlobalWarningDisplay(), vtk.vtkOutputWindow.GetInstance()
    vtk.vtkObject.GlobalWarningDisplayOff()
    vtk.vtkOutputWindow.SetInstance(vtk.vtkStringOutputWindow())  # some of Slicer's classes print to it at any rate
    try:
        yield
    finally:
        vtk.vtkOutputWindow.SetInstance(window)
        vtk.vtkObject.SetGlobalWarningDisplay(shown)
