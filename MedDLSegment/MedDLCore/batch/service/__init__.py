"""A child process that runs batches for a program with a window, such as 3D Slicer.

It speaks the worker's language (``MedDLCore.worker``), with requests of its own (``jobs``). When its input closes, the
batch in it ends; what is done is done, and the next one goes on.

Importing this imports neither torch nor a DICOM library.
"""

from .jobs import BatchJob, ShowJob, service_command

__all__ = ["BatchJob", "ShowJob", "service_command"]
