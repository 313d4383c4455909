"""Trains the demonstration's network and writes its package: ``python -m MedDLCore.demo.train --out FOLDER``.

On one CPU core, from phantoms alone; the same steps and seed on the same machine give the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from ..models import write_package
from ..spec import ModelSpec
from ..toolkit import limit_threads
from .card import card
from .cases import training_patches
from .network import SPEC
from .scores import Scores, held_out_scores

if TYPE_CHECKING:
    from torch import nn

STEPS = 1500
"""About 20 minutes of one core."""

HELD_OUT = tuple(range(100, 112))
"""Phantoms on which the finished network is measured."""

REPORT_EVERY = 50

LICENCE_TEXT = """SPDX-License-Identifier: Apache-2.0

The weights and their description are part of MedDL and licensed under the Apache License, Version 2.0:
https://www.apache.org/licenses/LICENSE-2.0
They were trained on made data alone; no patient's data went into them.
"""


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the package; must not exist.")
@click.option("--steps", type=click.IntRange(min=50), default=STEPS, show_default=True, help="One patch each.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
def main(out: Path, steps: int, seed: int, threads: int) -> None:
    """Train the demonstration's network on phantoms and write its package."""
    import torch

    from ..models.networks import build_network

    torch.set_num_threads(threads)
    limit_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    network = build_network(SPEC.network)
    started, losses = time.process_time(), []
    for step, loss in enumerate(train(SPEC, network, steps, seed), start=1):
        losses.append(loss)
        if step % REPORT_EVERY == 0:
            seconds = time.process_time() - started
            click.echo(f"step {step} of {steps}: loss {np.mean(losses[-REPORT_EVERY:]):.3f}, {seconds:.0f} CPU-seconds")
    trained = time.process_time() - started
    scores = held_out_scores(SPEC, network, HELD_OUT)
    command = f"python -m MedDLCore.demo.train --out FOLDER --steps {steps} --seed {seed}"
    spec = replace(SPEC, measured=_measured(scores, network, command, trained))
    package = write_package(spec, network.state_dict(), out, LICENCE_TEXT)
    (out / "docs" / "README.md").write_text(card(package.spec), encoding="utf-8")
    click.echo(card(package.spec))


def train(spec: ModelSpec, network: nn.Module, steps: int, seed: int = 0) -> Iterator[float]:
    """Trains a network in place with Dice and cross-entropy (AdamW, one cycle of the learning rate).

    Args:
        spec: preprocessing and patch.
        network: maps ``(1, 1, *patch)`` to logits; channel n is the label of value n.
        steps: optimiser steps, one patch each.
        seed: of the patches. The network's first weights are the caller's.

    Yields:
        The loss of each step.
    """
    import torch
    from monai.losses import DiceCELoss

    loss_of = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps, pct_start=0.1)
    network.train()
    for image, truth in training_patches(spec, steps, seed):
        optimizer.zero_grad()
        loss = loss_of(network(torch.from_numpy(image)[None]), torch.from_numpy(truth)[None, None])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), max_norm=12)
        optimizer.step()
        schedule.step()
        yield float(loss.detach())
    network.eval()


def _measured(scores: Scores, network: nn.Module, command: str, seconds: float) -> dict[str, object]:
    return {
        "dice": {
            name: {"mean": round(np.mean(v).item(), 3), "worst": round(min(v), 3)} for name, v in scores.dice.items()
        },
        "held_out": list(scores.seeds),
        "seconds": round(scores.seconds, 1),
        "memory_bytes": scores.memory,
        "parameters": sum(p.numel() for p in network.parameters()),
        "training_command": command,
        "training_cpu_seconds": round(seconds),
    }


if __name__ == "__main__":
    main()
