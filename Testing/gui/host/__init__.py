"""Slicer's window without Slicer: runs module files, unchanged, on real MRML (slicer-core) and real Qt (PySide6).

It is strict. A stand-in has only the members that the modules use; an unknown class, property or signal is an error
here, where Slicer would print a line, or show nothing, or do nothing. It is no proof that a module works in Slicer:
what PythonQt and Slicer do otherwise is written down beside each stand-in, as far as it is known.
"""
