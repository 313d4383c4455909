"""MedDL beside its peers, on the same weights and scans, each in a process of its own.

    python Testing/benchmarks/engine                          # every case, then the targets: hours
    python Testing/benchmarks/engine --list
    python Testing/benchmarks/engine --case anatomy-118-half --json figures.json
    python Testing/benchmarks/engine --quick                  # small volumes, within a minute: does it still run?

Figures are CPU-seconds, not wall time, which lies on a machine that others use too; ratios are within one run. Peers
are nnU-Net's own predictor, with its defaults and with its resampling by torch, and MONAI's sliding window with the
inverse of its resampling on the logits. One that is not installed, that would need more memory than ``--memory``, or
that takes more than it was foreseen to, is left out of the table, and the table says so.

There are two kinds of cases. In those called ``unet`` the network is a U-Net of 31 million weights, random ones. In the
others all engines run the same small function in its place (``networks.py``), so that everything but the network can be
measured for many classes and many patches; their memory holds the logits of one patch beside the engine's own arrays.

The stages are those of the process's CPU time: ``prepare`` up to the first patch, ``network`` within the network,
``finish`` everything after the first patch but the network, ``rest`` MedDL's admission and plan. ``memory`` is the
highest resident size less what the process held when it was about to begin: code, weights and the scan.
"""
