"""From annotated scans to a trained network. Rules as for MedDLCore: no Qt, no Slicer, no VTK.

Read ``data/case.py`` and ``data/data_set.py`` first: every other part works on a ``DataSet`` of ``Case``. A data set
comes from ``data.open_folder`` (files), or from ``data.data_set_of`` (cases that the caller has, such as nodes of an
open scene); ``check.check`` says what in it would spoil a training, and ``training.train`` makes a model of it.
"""
