"""A bundle's files as plain data: JSON, or YAML through PyYAML's safe loader."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import Code, MedDLError
from ..description import MOST_BYTES, read_json

INFERENCE = ("inference.json", "inference.yaml", "inference.yml")
"""Names of the configuration, in ``configs``. The first one counts."""

MOST_DEPTH = 32
"""Lists and objects within each other."""


def read_inference(folder: Path) -> tuple[str, Mapping[str, Any]]:
    """Reads the inference configuration of a bundle.

    Returns:
        The file's name and its content: objects with text keys, lists, text, finite numbers, booleans, nulls.

    Raises:
        MedDLError: MODEL_INVALID where there is none, or it is not such data.
    """
    name = next((name for name in INFERENCE if (folder / "configs" / name).is_file()), None)
    if name is None:
        raise MedDLError(
            Code.MODEL_INVALID,
            "The bundle has no inference configuration.",
            f"One of these is needed in its folder configs: {', '.join(INFERENCE)}.",
        )
    path = folder / "configs" / name
    content = read_json(path) if path.suffix == ".json" else _read_yaml(path)
    plain = _plain(content, name, 0)
    if not isinstance(plain, dict):
        raise MedDLError(Code.MODEL_INVALID, f"{name} does not hold an object.")
    return name, plain


def _read_yaml(path: Path) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """PyYAML's safe loader without anchors, of which a few bytes can unfold to gigabytes."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("anchors are not read")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            result: dict[Any, Any] = super().construct_mapping(node, deep)
            if len(result) != len(node.value):
                raise yaml.YAMLError("a key is there twice")
            return result

    try:
        if path.stat().st_size > MOST_BYTES:
            raise MedDLError(Code.MODEL_INVALID, f"{path.name} is larger than {MOST_BYTES >> 20} MiB.")
        return Loader(path.read_text(encoding="utf-8-sig")).get_single_data()
    except OSError as error:
        raise MedDLError(Code.MODEL_INVALID, f"{path.name} cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())[:300]
        raise MedDLError(Code.MODEL_INVALID, f"{path.name} is not valid YAML ({problem}).") from error


def _plain(value: Any, name: str, depth: int) -> Any:
    if depth > MOST_DEPTH:
        raise MedDLError(Code.MODEL_INVALID, f"{name} is nested too deeply.")
    if isinstance(value, dict):
        return {str(key): _plain(item, name, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, name, depth + 1) for item in value]
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise MedDLError(Code.MODEL_INVALID, f"{name} holds {value!r}, which is not plain data.")
