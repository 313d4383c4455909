"""Our own grammar for the ``$`` expressions of a bundle. Nothing is evaluated by Python.

Python's parser gives the tree; a node that is not listed here is refused. There are references, literals, arithmetic,
comparisons, ``a if b else c``, ``not``/``and``/``or``, subscripts, ``len()`` and a few named constants. Two calls stand
for data: ``torch.load(path)`` for the content of a file of the bundle, read without running anything in it, and
``torch.from_numpy(array)`` for the array. Numbers and lengths are bounded.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .refusal import OutsideError
from .stored_arrays import StoredArrays

MOST_CHARACTERS = 4000
MOST_ITEMS = 10_000
LARGEST_NUMBER = 2**53

REFERENCE = re.compile(r"@(\w+(?:(?:#|::)\w+)*)")
"""``@a``, ``@a::b::0``, and the older ``@a#b#0``."""

_STAND_IN = "meddl_reference_"

CONSTANTS: Mapping[str, Any] = {
    **{f"{module}.{name}": name for module in ("torch", "numpy", "np") for name in ("float32", "float64", "float16")},
    **{
        f"{module}.{name}": name for module in ("torch", "numpy", "np") for name in ("uint8", "int16", "int32", "int64")
    },
    **{
        f"{module}CommonKeys.{key.upper()}": key
        for module in ("", "monai.utils.", "monai.utils.enums.")
        for key in ("image", "label", "pred")
    },
}
"""Names and what they mean: a dtype is its name."""

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


@dataclass(frozen=True)
class Meaning:
    """What an expression may ask for.

    Attributes:
        reference: the value of an id.
        load: what stands for the content of a file, named by its path.
    """

    reference: Callable[[str], Any]
    load: Callable[[str], Any]


def evaluate(text: str, where: str, meaning: Meaning) -> Any:
    """The value of an expression, without its ``$``.

    Raises:
        OutsideError: naming the part that the grammar does not have.
    """
    return _Evaluation(text, where, meaning).value()


class _Evaluation:
    def __init__(self, text: str, where: str, meaning: Meaning) -> None:
        self._text, self._where, self._meaning = text, where, meaning
        self._ids: list[str] = []

    def value(self) -> Any:
        if len(self._text) > MOST_CHARACTERS or _STAND_IN in self._text:
            raise self._outside("is too long")
        try:
            tree = ast.parse(REFERENCE.sub(self._stand_in, self._text).strip(), mode="eval")
            return self._of(tree.body)
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise self._outside("is not an expression") from error
        except (ArithmeticError, TypeError, LookupError, ValueError) as error:
            raise self._outside(f"has no value ({error})") from error

    def _outside(self, why: str) -> OutsideError:
        return OutsideError(self._where, f"${self._text}", why)

    def _stand_in(self, match: re.Match[str]) -> str:
        self._ids.append(match.group(1))
        return f"{_STAND_IN}{len(self._ids) - 1}"

    def _of(self, node: ast.expr) -> Any:
        value = self._value_of(node)
        if isinstance(value, (int, float)) and not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
            raise self._outside("gives a number that is too large")
        return value

    def _value_of(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return self._literal(node.value)
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self._of(item) for item in node.elts]
        if isinstance(node, ast.Dict) and None not in node.keys:
            return {self._key(key): self._of(item) for key, item in zip(node.keys, node.values, strict=True)}
        if isinstance(node, ast.BinOp):
            return self._arithmetic(node.op, self._of(node.left), self._of(node.right))
        if isinstance(node, ast.UnaryOp):
            return self._unary(node.op, self._of(node.operand))
        if isinstance(node, ast.BoolOp):
            return self._boolean(node)
        if isinstance(node, ast.IfExp):
            return self._of(node.body if self._of(node.test) else node.orelse)
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
            return _COMPARISONS[type(node.ops[0])](self._of(node.left), self._of(node.comparators[0]))
        if isinstance(node, ast.Subscript):
            return self._item(self._of(node.value), self._of(node.slice))
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self._named(node)
        raise self._outside(f"{self._shown(_source(node))} is not in the grammar that MedDL reads")

    def _literal(self, value: Any) -> Any:
        if value is not None and not isinstance(value, (bool, int, float, str)):
            raise self._outside(f"{value!r} is not plain data")
        if isinstance(value, str) and _STAND_IN in value:
            raise self._outside("has a reference within a text")
        return value

    def _key(self, node: ast.expr | None) -> str:
        key = None if node is None else self._of(node)
        if not isinstance(key, str):
            raise self._outside("has a key that is not a text")
        return key

    def _arithmetic(self, op: ast.operator, left: Any, right: Any) -> Any:
        if type(op) not in _ARITHMETIC:
            raise self._outside(f"{type(op).__name__} is not in the grammar that MedDL reads")
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        joined = isinstance(op, ast.Add) and type(left) is type(right) and isinstance(left, (str, list))
        if not numbers and not joined:
            raise self._outside("calculates with something else than numbers, texts or lists")
        if joined and len(left) + len(right) > MOST_ITEMS:
            raise self._outside("gives something too long")
        return _ARITHMETIC[type(op)](left, right)

    def _unary(self, op: ast.unaryop, value: Any) -> Any:
        if isinstance(op, ast.Not):
            return not value
        if isinstance(op, (ast.USub, ast.UAdd)) and isinstance(value, (int, float)):
            return -value if isinstance(op, ast.USub) else value
        raise self._outside(f"{type(op).__name__} is not in the grammar that MedDL reads")

    def _boolean(self, node: ast.BoolOp) -> Any:
        value: Any = None
        for item in node.values:
            value = self._of(item)
            if bool(value) is isinstance(node.op, ast.Or):
                break
        return value

    def _item(self, value: Any, key: Any) -> Any:
        if isinstance(value, (Mapping, StoredArrays)) and isinstance(key, str):
            return value[key]
        if isinstance(value, (list, str)) and isinstance(key, int):
            return value[key]
        raise self._outside("takes an item of something else than a list or an object")

    def _named(self, node: ast.Name | ast.Attribute) -> Any:
        name = _source(node)
        if name.startswith(_STAND_IN) and isinstance(node, ast.Name):
            return self._meaning.reference(self._ids[int(name.removeprefix(_STAND_IN))])
        if name in CONSTANTS:
            return CONSTANTS[name]
        raise self._outside(f"{self._shown(name)} is not a name that MedDL reads")

    def _call(self, node: ast.Call) -> Any:
        name = _source(node.func)
        if name == "torch.load" and node.args:  # further arguments say where to, and how: that is ours
            path = self._of(node.args[0])
            if isinstance(path, str):
                return self._meaning.load(path)
        if name in ("len", "torch.from_numpy") and len(node.args) == 1 and not node.keywords:
            value = self._of(node.args[0])
            return len(value) if name == "len" else value
        raise self._outside(f"calls {self._shown(name)}")

    def _shown(self, name: str) -> str:
        """The name as the bundle writes it."""
        return re.sub(rf"{_STAND_IN}(\d+)", lambda match: f"@{self._ids[int(match.group(1))]}", name)


def _source(node: ast.expr) -> str:
    return ast.unparse(node)
