"""Slicer's scene on one side, plain values on the other. MRML and VTK, no Qt; the scene is always an argument.

``volume_node`` takes a volume out of a scene, ``segmentation_node`` puts a result into it. They work in Slicer and,
with ``host``, without its window. ``pictures`` needs neither Slicer's libraries nor VTK.
"""
