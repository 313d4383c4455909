"""nnU-Net's own trainer with fewer and shorter epochs, a seed, and checkpoints that a kill leaves whole."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from MedDLCore.atomic import atomic_path

from .jobs import Job
from .ledger import Ledger

LATEST, FINAL = "checkpoint_latest.pth", "checkpoint_final.pth"


class ShortenedTrainer(nnUNetTrainer):
    """What is learnt, and how, is nnU-Net's; how long is the benchmark's."""

    job: Job
    ledger: Ledger | None = None

    @classmethod
    def of(
        cls, job: Job, plans: dict[str, Any], description: dict[str, Any], ledger: Ledger | None = None
    ) -> ShortenedTrainer:
        """The trainer of a job; nnU-Net's folders must be set."""
        plans = {**plans, "continue_training": False}
        trainer = cls(plans, "3d_fullres", 0, description, device=torch.device("cpu"))
        trainer.job, trainer.ledger = job, ledger
        trainer.save_every = 1
        trainer.logger.plot_progress_png = lambda _: None  # a picture each epoch, paid for by the budget
        trainer._seed(0)
        return trainer

    def follow(self, epochs: int, iterations: int, looks: int) -> None:
        """Trains by a schedule, from the last checkpoint on where there is one."""
        folder = Path(self.output_folder)
        if (folder / FINAL).is_file():
            return
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = epochs, iterations, looks
        self.initialize()
        if (folder / LATEST).is_file():
            self.load_checkpoint(str(folder / LATEST))
        self.run_training()

    def one_iteration(self) -> None:
        """A batch and what is learnt from it."""
        self._ready()
        self.network.train()
        self.train_step(next(self.dataloader_train))

    def one_look(self) -> None:
        """A batch of held-out patches."""
        self._ready()
        self.network.eval()
        with torch.no_grad():
            self.validation_step(next(self.dataloader_val))

    def do_split(self) -> tuple[list[str], list[str]]:
        """The job's cases."""
        return list(self.job.learnt), list(self.job.watched)

    def on_train_epoch_start(self) -> None:
        """Every epoch draws from numbers of its own, so that a training that goes on has none to remember."""
        self._seed(self.current_epoch + 1)
        super().on_train_epoch_start()

    def on_epoch_end(self) -> None:
        """The epoch is on the disk; so is what it took."""
        super().on_epoch_end()
        if self.ledger is not None:
            self.ledger.keep()

    def save_checkpoint(self, filename: str) -> None:
        """Whole or not at all."""
        with atomic_path(Path(filename)) as unfinished:
            super().save_checkpoint(str(unfinished))

    def _ready(self) -> None:
        if not self.was_initialized:
            self.initialize()
            self.dataloader_train, self.dataloader_val = self.get_dataloaders()

    def _seed(self, n: int) -> None:
        seed = int(np.random.SeedSequence([self.job.seed, n]).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
