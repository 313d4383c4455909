"""A child process that checks, plans, trains, judges and publishes for a program with a window, such as 3D Slicer.

It speaks the worker's language (``MedDLCore.worker``), with requests of its own (``jobs``): lines of JSON over standard
input and output, voxels as ``.npy`` files in a private folder. When its input closes, a training in it ends; nothing
but the epoch that was under way is lost, and ``resume`` goes on.

Importing this imports neither torch nor SimpleITK.
"""

from .jobs import JOBS, Data, service_command

__all__ = ["JOBS", "Data", "service_command"]
