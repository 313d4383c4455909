"""The library of both MedDL modules: a scan goes in, a segmentation comes out. No Qt, no Slicer, no VTK.

Read ``pipeline.py`` first.
"""

__version__ = "0.1.0"
