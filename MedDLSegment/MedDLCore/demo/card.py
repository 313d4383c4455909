"""The model card of the demonstration's network: what a person should know before trusting a result."""

from __future__ import annotations

from ..spec import ModelSpec


def card(spec: ModelSpec) -> str:
    """Markdown. The figures are those of ``spec.measured``, as ``train`` wrote them."""
    measured = spec.measured
    dice = measured["dice"]
    rows = [f"| {name} | {value['mean']:.3f} | {value['worst']:.3f} |" for name, value in dice.items()]
    mean = sum(value["mean"] for value in dice.values()) / len(dice)
    seeds = measured["held_out"]
    lines = [
        f"# {spec.title}",
        "",
        spec.description,
        "",
        "**Not for clinical use, and not for real scans.** It is here so that a fresh installation can show, without a",
        "download and against a known truth, that everything works.",
        "",
        "## Data",
        "",
        "Procedural: each body is computed from a seed (`MedDLCore/demo/phantom.py`). Organs, muscles and bowel share",
        "their Hounsfield units and touch each other; there is noise, uneven brightness and partial volume. No",
        "patient's data went into it. Training and measurement use different seeds.",
        "",
        "## Network",
        "",
        f"MONAI `{spec.network.name}`, {measured['parameters']:,} parameters, on a grid of 3 mm with patches of",
        f"{' x '.join(map(str, spec.inference.patch or ()))} voxels. Made by `{measured['training_command']}`",
        f"in {measured['training_cpu_seconds']} CPU-seconds of one core.",
        "",
        "## Measured",
        "",
        f"Dice against the truth of {len(seeds)} phantoms (seeds {seeds[0]} to {seeds[-1]}) it did not learn from:",
        "",
        "| organ | mean | worst |",
        "| --- | --- | --- |",
        *rows,
        f"| all | {mean:.3f} | {min(value['worst'] for value in dice.values()):.3f} |",
        "",
        f"A case takes {measured['seconds']} CPU-seconds of one core and",
        f"{measured['memory_bytes'] / 1e9:.1f} GB of memory.",
        "",
        "## Limits",
        "",
        "It knows the phantom's organs, in whole trunks, as CT. Anything else is outside of what it has seen.",
        "",
        f"Licence: {spec.licence}.",
        "",
    ]
    return "\n".join(lines)
