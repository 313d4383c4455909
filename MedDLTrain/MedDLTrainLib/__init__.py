"""The panel of MedDLTrain: Qt, and view models that need none. ``workflow`` is where a person's clicks are decided."""
