"""The long-lived child process that runs networks, and what another program needs to talk to it.

The process (``serving``) imports torch and keeps models warm; the program beside it (3D Slicer) imports neither. Both
speak lines of JSON (``messages``) over the process's standard input and output; voxels travel as ``.npy`` files in a
private folder (``arrays``). It listens on no socket.

``Worker`` (``client``) runs it with ``subprocess``. Where another library owns processes, as Qt does in Slicer, that
library moves the bytes and ``Conversation`` does the rest.

Importing this imports neither torch nor SimpleITK.
"""

from typing import TYPE_CHECKING

from ..lazily import lazily

if TYPE_CHECKING:
    from .arrays import give_label_map, give_volume, take_array, take_label_map
    from .client import Worker
    from .conversation import Conversation
    from .messages import Collection, Correction, Errand, Event, Export, Job, Scan
    from .process import end_group, worker_command
else:
    __getattr__ = lazily(
        __name__,
        {
            "arrays": "give_label_map give_volume take_array take_label_map",
            "client": "Worker",
            "conversation": "Conversation",
            "messages": "Collection Correction Errand Event Export Job Scan",
            "process": "end_group worker_command",
        },
    )

__all__ = [
    "Collection",
    "Conversation",
    "Correction",
    "Errand",
    "Event",
    "Export",
    "Job",
    "Scan",
    "Worker",
    "end_group",
    "give_label_map",
    "give_volume",
    "take_array",
    "take_label_map",
    "worker_command",
]
