"""``python -m MedDLCore.cli``."""

from .main import main

main()
