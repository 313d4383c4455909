"""The panel of MedDLSegment. ``panel`` and ``worker_process`` use Qt; the state and its decisions need none."""
