"""From annotated scans to a trained network. Rules as for MedDLCore: no Qt, no Slicer, no VTK.

Read ``data/case.py`` and ``data/data_set.py`` first: every other part works on a ``DataSet`` of ``Case``. A data set
comes from ``data.open_folder`` (files), from ``data.open_nodes`` (an open scene), or from ``data.data_set_of`` (cases
that the caller has made). ``check.check`` says what in it would spoil a training, and measures what a plan of it
needs.
"""
