"""From a node's own coordinates to the world and back: the parent transforms, linear or bent.

Slicer puts a displacement grid over a series whose slices are tilted or unevenly spaced, and a person may put any
transform over anything. Linear ones only change where voxels lie; bent ones ask for new voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import SINGULAR_DETERMINANT, Geometry

from .libraries import numpy_support, quiet, slicer, vtk

INVERSE_WITHIN_VOXELS = 0.25
"""A transform and its inverse bring each point back to within this part of the smallest voxel edge."""

GROWTH_ACCEPTED = 8
"""The grid around a bent volume may hold this many times the volume's voxels; more is a transform gone wrong."""

EDGE_VOXELS = 1e-3
"""A volume that reaches so little into a further voxel does not get it."""

_SAMPLES = 33
"""Points per axis at which a bent transform is probed."""


@dataclass(frozen=True, eq=False)
class Placement:
    """How a node's own RAS coordinates lie in the world.

    Attributes:
        matrix: ``(4, 4)`` own RAS -> world RAS, mm; None where the placement is bent.
        transform: the same as a VTK transform, bent or not.
    """

    matrix: NDArray[np.float64] | None
    transform: vtk.vtkAbstractTransform

    @property
    def inverse(self) -> vtk.vtkAbstractTransform:
        """World RAS -> own RAS."""
        return self.transform.GetInverse()


def placementOf(node: slicer.vtkMRMLTransformableNode) -> Placement:
    """Follows all parent transforms of a node up to the world.

    Raises:
        MedDLError: TRANSFORM_REFUSED for a linear transform that is singular or not affine.
    """
    parent = node.GetParentTransformNode()
    matrix = vtk.vtkMatrix4x4()
    if parent is not None and not parent.IsTransformToWorldLinear():
        bent = vtk.vtkGeneralTransform()
        parent.GetTransformToWorld(bent)
        return Placement(None, bent)
    if parent is not None:
        parent.GetMatrixTransformToWorld(matrix)
    straight = vtk.vtkTransform()
    straight.SetMatrix(matrix)
    return Placement(_affine(toNumpy(matrix)), straight)


def bentGrid(geometry: Geometry, transform: vtk.vtkAbstractTransform) -> Geometry:
    """A straight grid that covers what a transform makes of ``geometry``.

    Its axes are perpendicular and as near as possible to the moved axes, its spacing is the moved spacing, and its
    voxels fall upon the moved ones on average: labels that go there and back by nearest neighbour do not drift.

    Raises:
        MedDLError: TRANSFORM_REFUSED where the transform cannot be undone or blows the volume up.
    """
    size = np.array(geometry.shape[::-1])
    lattice = np.meshgrid(*(np.linspace(-0.5, n - 0.5, _SAMPLES) for n in size), indexing="ij")
    index = np.stack([axis.ravel() for axis in lattice], axis=1)
    points = geometry.index_to_ras(index)
    moved = transformPoints(points, transform)
    if not np.isfinite(moved).all():
        raise MedDLError(Code.TRANSFORM_REFUSED, "The parent transform leads to coordinates that are not numbers.")
    returned = transformPoints(moved, transform.GetInverse())
    error = np.nan_to_num(np.abs(returned - points), nan=np.inf).max()
    if error > INVERSE_WITHIN_VOXELS * geometry.spacing.min():
        raise MedDLError(
            Code.TRANSFORM_REFUSED,
            f"The parent transform cannot be undone: there and back, a point ends {error:.3g} mm away from itself.",
        )
    fitted = np.linalg.lstsq(np.column_stack([index, np.ones(len(index))]), moved, rcond=None)[0].T
    spacing = np.linalg.norm(fitted[:, :3], axis=0)
    u, _, vt = np.linalg.svd(fitted[:, :3] / spacing)
    axes = u @ vt
    middle = fitted @ [*(size // 2), 1]
    outer = (moved - middle) @ axes / spacing  # in voxels from the middle
    first = np.floor(outer.min(axis=0) + 0.5 + EDGE_VOXELS)
    last = np.ceil(outer.max(axis=0) - 0.5 - EDGE_VOXELS)
    count = np.maximum(last, first) - first + 1
    if count.prod() > GROWTH_ACCEPTED * size.prod():
        raise MedDLError(
            Code.TRANSFORM_REFUSED,
            f"The parent transform makes the volume {count.prod() / size.prod():.3g} times as large.",
        )
    i, j, k = (int(n) for n in count)
    return Geometry.from_parts((k, j, i), spacing, axes, middle + axes @ (first * spacing))


def resampleThrough(
    array: NDArray[Any],
    source: Geometry,
    target: Geometry,
    targetToSource: vtk.vtkAbstractTransform,
    fill: float | None = None,
) -> NDArray[Any]:
    """Brings an array onto a grid that lies in other coordinates.

    Args:
        array: ``(K, J, I)`` on ``source``.
        source: its grid, in the coordinates that ``targetToSource`` leads to.
        target: the wanted grid, in the coordinates that it comes from.
        targetToSource: any transform, mm.
        fill: the value outside the source, for an image (linear interpolation); None for a label map (nearest
            neighbour, 0 outside).

    Returns:
        ``target.shape``; float32 for an image, the array's dtype for a label map.
    """
    chain = vtk.vtkGeneralTransform()
    chain.PostMultiply()
    chain.Concatenate(toMatrix(target.ijk_to_ras))
    chain.Concatenate(targetToSource)
    chain.Concatenate(toMatrix(np.linalg.inv(source.ijk_to_ras)))
    image = vtk.vtkImageData()
    fillImage(image, array)
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(image)
    reslice.SetResliceTransform(chain)
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.SetOutputSpacing(1, 1, 1)
    k, j, i = target.shape
    reslice.SetOutputExtent(0, i - 1, 0, j - 1, 0, k - 1)
    if fill is None:
        reslice.SetInterpolationModeToNearestNeighbor()
    else:
        reslice.SetInterpolationModeToLinear()
        reslice.SetOutputScalarType(vtk.VTK_FLOAT)
        reslice.SetBackgroundLevel(fill)
    with quiet():
        reslice.Update()
    return arrayOfImage(reslice.GetOutput()).copy()


def transformPoints(points: NDArray[np.float64], transform: vtk.vtkAbstractTransform) -> NDArray[np.float64]:
    """``(N, 3)`` points, mm, through any transform."""
    before, after = vtk.vtkPoints(), vtk.vtkPoints()
    before.SetDataTypeToDouble()
    after.SetDataTypeToDouble()
    before.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float64)))
    with quiet():  # VTK prints a line for each point whose inverse it cannot find; bentGrid sees for itself
        transform.TransformPoints(before, after)
    return numpy_support.vtk_to_numpy(after.GetData()).copy()


def arrayOfImage(image: vtk.vtkImageData) -> NDArray[Any]:
    """``(K, J, I)`` view of a one-component image; it lives as long as the image does."""
    i, j, k = image.GetDimensions()
    return numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(k, j, i)


def fillImage(image: vtk.vtkImageData, array: NDArray[Any]) -> None:
    """Gives a VTK image a copy of the voxels ``(K, J, I)``; its extent starts at 0."""
    k, j, i = array.shape
    image.SetExtent(0, i - 1, 0, j - 1, 0, k - 1)
    voxels = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(voxels.ravel(), deep=True))


def toMatrix(matrix: NDArray[np.float64]) -> vtk.vtkMatrix4x4:
    """``(4, 4)`` numpy -> VTK."""
    converted = vtk.vtkMatrix4x4()
    converted.DeepCopy(np.asarray(matrix, dtype=np.float64).ravel().tolist())
    return converted


def toNumpy(matrix: vtk.vtkMatrix4x4) -> NDArray[np.float64]:
    """VTK -> ``(4, 4)`` numpy."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _affine(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix itself, if it moves space without flattening it."""
    finite = np.isfinite(matrix).all()
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if (
        not finite
        or not np.allclose(matrix[3], [0, 0, 0, 1])
        or (lengths <= 0).any()
        or abs(np.linalg.det(matrix[:3, :3] / lengths)) < SINGULAR_DETERMINANT
    ):
        raise MedDLError(Code.TRANSFORM_REFUSED, "The parent transform flattens space and cannot be undone.")
    return matrix
