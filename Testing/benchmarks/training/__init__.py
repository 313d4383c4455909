"""Trainings beside nnU-Net's, and with few cases, on the Decathlon's hippocampus, within a budget of CPU time.

    python -m benchmarks.training versus                               # all its jobs, one after another: hours
    python -m benchmarks.training versus --engine nnunet --seed 0      # one of them
    python -m benchmarks.training versus --resume                      # after a kill, from the last checkpoint on
    python -m benchmarks.training versus --summary                     # the table of those that are done
    python -m benchmarks.training versus --minutes 1 --into /tmp/quick # does it still run?
    python -m benchmarks.training curve --minutes 10                   # Dice against the number of training cases
    python -m benchmarks.training cross                                # five-fold cross-validation

``benchmarks.training.shipped`` makes the model that comes with MedDL of the same scans.

To be run in the folder ``Testing``. The scans are ``images``, ``labels``, ``train.txt`` and ``test.txt`` in a folder.
What is learnt from and selected with is all of ``train.txt``; ``test.txt`` is only scored.

``versus``: MedDL and nnU-Net learn from the same four folds of ``train.txt`` and select with the fifth by their own
rules: nnU-Net keeps its last weights, MedDL those with the best Dice. Each is planned to end within the same CPU time,
on one thread: of a few iterations, timed by the same clock for all seeds once, the quickest counts, and nine tenths of
the budget are planned with. Of nnU-Net only the numbers of epochs and iterations change, so that its learning rate
falls to the end. Augmentation and looks at held-out cases count; preparing the scans and planning are reported apart.
Each predicts with its own predictor and defaults; one scorer reads the files of both.

Intervals are 95 % of a bootstrap over cases and seeds; differences are paired. Figures are CPU-seconds of the process
and its children: wall time lies on a machine that others use too.
"""
