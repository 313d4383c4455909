"""How much each click brings: a simulated person corrects held-out cases, click by click.

Those who answer: ``network``, a model that listens, which begins with what it finds on its own, or with what another
model finds (``--begin-with``); ``network from nothing``, the same without that; ``grow-cut``, which always begins with
nothing; and ``same clicks``: grow-cut on the very clicks that the network was given, either way. For each, over all
cases and over the quarter in which the network alone is worst: mean Dice after 0, 1, 3, 5 and 10 clicks; NoC@90 and
NoC@92, the mean number of clicks until a case's Dice is 0.90 and 0.92 (a case that never gets there counts with the
most clicks there are, and is counted beside it); the part of clicks whose voxel then is what the click said;
CPU-seconds of a click, by stage. Dice of a case is the mean over its labels.

The person clicks into the middle of the largest error of the whole case (``MedDLTraining.loop.simulated_user``), which
is what trainings simulate as well: real people click elsewhere, and less well.
"""
