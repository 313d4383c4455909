"""Functions that a bundle writes as code, recognised by their shape. They are compared, not run."""

from __future__ import annotations

import ast


def above(text: str) -> float | None:
    """``lambda x: x > 0`` gives 0; None for anything else."""
    body, name = _lambda(text)
    if (
        isinstance(body, ast.Compare)
        and len(body.ops) == 1
        and isinstance(body.ops[0], ast.Gt)
        and isinstance(body.left, ast.Name)
        and body.left.id == name
    ):
        return _number(body.comparators[0])
    return None


def painting(text: str) -> tuple[tuple[int, int], ...] | None:
    """Nested ``torch.where(x[[channel]] > 0, value, otherwise)`` down to 0: (channel, value), the first one on top.

    That is how overlapping structures become one label map. None for anything else.
    """
    body, name = _lambda(text)
    painted: list[tuple[int, int]] = []
    while isinstance(body, ast.Call):
        if ast.unparse(body.func) != "torch.where" or len(body.args) != 3 or body.keywords:
            return None
        channel, value = _channel(body.args[0], name), _number(body.args[1])
        if channel is None or value is None or value != int(value):
            return None
        painted.append((channel, int(value)))
        body = body.args[2]
    return tuple(painted) if body is not None and _number(body) == 0 and painted else None


def _lambda(text: str) -> tuple[ast.expr | None, str]:
    """The body and the name of the only argument."""
    try:
        tree = ast.parse(text.removeprefix("$").strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None, ""
    if not isinstance(tree, ast.Lambda) or ast.unparse(tree.args) not in [arg.arg for arg in tree.args.args]:
        return None, ""
    return tree.body, tree.args.args[0].arg


def _channel(node: ast.expr, name: str) -> int | None:
    """``x[[2]] > 0`` gives 2."""
    if not isinstance(node, ast.Compare) or len(node.ops) != 1 or not isinstance(node.ops[0], ast.Gt):
        return None
    item, border = node.left, _number(node.comparators[0])
    if border != 0 or not isinstance(item, ast.Subscript) or ast.unparse(item.value) != name:
        return None
    index = item.slice.elts[0] if isinstance(item.slice, ast.List) and len(item.slice.elts) == 1 else None
    number = None if index is None else _number(index)
    return int(number) if number is not None and number == int(number) and number >= 0 else None


def _number(node: ast.expr) -> float | None:
    sign = 1.0
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1.0
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return sign * node.value
    return None
