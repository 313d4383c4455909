"""An array on another grid with parallel axes: along each axis a product with a banded matrix, a few planes at a time.

torch makes the products: on the device that the network runs on, and on a CPU with as many threads as a run is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..taps import Taps
from .route import Band, Change, Part, Route, bands, works_in

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TAKEN = frozenset("?bBhilqfd")
"""Types of numbers, as numpy's characters, that torch takes as they are."""

Tone = Callable[["Tensor"], "Tensor"]
"""Changes values, each by itself; what it is given is its own to change."""


class _Product(NamedTuple):
    """Its ``matrix``, ``(stop - start, last - first)``, times the voxels of a band gives the values at its places."""

    band: Band
    matrix: Tensor


def changed(
    array: NDArray[Any],
    change: Change,
    device: str = "cpu",
    tone: Tone | None = None,
    within: NDArray[np.bool_] | None = None,
) -> Iterator[tuple[Part, Tensor]]:
    """Changes the grid of an array.

    Args:
        array: three axes of real numbers, in any layout.
        change: of its grid.
        device: where the products are made.
        tone: changes the array's values before.
        within: the array's shape; where it does so. None: everywhere.

    Yields:
        A part of the result, and its values in the order of the result's axes, as ``works_in`` says; they are the
        caller's to change. The parts are together all of the result; their order is not said.
    """
    import torch

    exact = works_in(array) == np.float64
    kind, on = (torch.float64, "cpu" if device == "mps" else device) if exact else (torch.float32, device)
    route = Route.of(array, change)
    view, mask = route.seen(array), None if within is None else route.seen(within)
    products = [_products(taps, bands(taps), kind, on) for taps in route.taps]

    def planes(first: int, last: int) -> Iterator[Tensor]:
        for start in range(first, last, route.batch):
            part = slice(start, min(start + route.batch, last))
            values = _tensor(view[part], on).to(kind, copy=True)
            if tone is not None:
                toned = tone(values if mask is None else values.clone())
                values = toned if mask is None else torch.where(_tensor(mask[part], on), toned, values)
            for axis in route.before:
                values = _along(values, axis, products[axis])
            yield values

    for band, window in _windows(route, planes):
        values = window
        for _, matrix in _products(route.taps[0], [band], kind, on):
            values = _product(values, 0, matrix)
        for axis in route.after:
            values = _along(values, axis, products[axis])
        part = [slice(0, len(taps)) for taps in change.taps]
        part[route.stored[0]] = slice(band.start, band.stop)
        values = values.permute([route.stored.index(axis) for axis in range(3)])
        yield (part[0], part[1], part[2]), _finished(values, part, change)


def _products(taps: Taps | None, of_axis: Sequence[Band], kind: torch.dtype, device: str) -> list[_Product]:
    import torch

    if taps is None:
        return []
    matrices = [torch.from_numpy(taps.matrix(band.start, band.stop)) for band in of_axis]
    return [_Product(band, matrix.to(kind).to(device)) for band, matrix in zip(of_axis, matrices, strict=True)]


def _windows(route: Route, planes: Callable[[int, int], Iterator[Tensor]]) -> Iterator[tuple[Band, Tensor]]:
    """The planes of each band, all in the same memory; those that it shares with the one before are not made again."""
    if route.taps[0] is None:
        for band in route.bands:
            yield band, next(planes(band.first, band.last))
        return
    buffer: Tensor | None = None
    first = last = 0
    for band in route.bands:
        held = max(last - band.first, 0)
        if buffer is not None and held:
            buffer[:held] = buffer[band.first - first : last - first].clone()
        first = band.first
        for part in planes(first + held, band.last):
            buffer = part.new_empty((route.reach, *part.shape[1:])) if buffer is None else buffer
            buffer[held : held + len(part)] = part
            held += len(part)
        last = first + held
        assert buffer is not None  # noqa: S101  a band has at least one plane
        yield band, buffer[: band.last - first]


def _along(values: Tensor, axis: int, products: Sequence[_Product]) -> Tensor:
    """The products along one axis; the values as they are where there are none."""
    if not products:
        return values
    shape = list(values.shape)
    shape[axis] = products[-1].band.stop
    result = values.new_empty(shape)
    for (start, stop, first, last), matrix in products:
        used = values.narrow(axis, first, last - first)
        result.narrow(axis, start, stop - start).copy_(_product(used, axis, matrix))
    return result


def _product(values: Tensor, axis: int, matrix: Tensor) -> Tensor:
    if axis == 2:
        return values @ matrix.T
    if axis == 1:
        return matrix @ values
    return (matrix @ values.flatten(1)).view(-1, *values.shape[1:])


def _finished(values: Tensor, part: Sequence[slice], change: Change) -> Tensor:
    """Fills what lies outside, and bounds the values; in place."""
    import torch

    for axis, along in enumerate(change.taps):
        outside = np.flatnonzero(~along.inside[part[axis]])
        if len(outside):
            values.index_fill_(axis, torch.from_numpy(outside).to(values.device), change.fill)
    if change.bounds is not None:
        low, high = (torch.from_numpy(_of_part(bound, part)).to(values.dtype) for bound in change.bounds)
        values.clamp_(low.to(values.device), high.to(values.device))
    return values


def _of_part(bound: NDArray[Any], part: Sequence[slice]) -> NDArray[Any]:
    """A part of what broadcasts to the whole."""
    return bound[tuple(p if n > 1 else slice(None) for p, n in zip(part, bound.shape, strict=True))]


def _tensor(array: NDArray[Any], device: str) -> Tensor:
    """A tensor of the array's own type where torch has it, else of the one that values are interpolated in.

    It may share the array's memory.
    """
    import torch

    dtype = array.dtype.newbyteorder("=") if array.dtype.char in TAKEN else works_in(array)
    dense = np.ascontiguousarray(array, dtype=dtype)
    as_is = dense.flags.writeable and min(dense.strides) > 0  # along an axis of one voxel, numpy does not mind the sign
    return torch.from_numpy(dense if as_is else dense.copy("C")).to(device)
