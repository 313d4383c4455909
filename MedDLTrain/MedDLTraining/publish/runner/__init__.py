"""What MONAI's own runner of bundles needs: ``configs/inference.json``, and a state dict of a MONAI network.

Everything is written in MONAI's own networks, inferers and transforms, and so that it gives what MedDL gives. What they
cannot express is refused by name: a bundle that gives something else would be worse than one that does not run there.
"""

from .configuration import configuration
from .networks import RunnerNetworks, runner_networks
from .refusal import NotInMonaiError

__all__ = ["NotInMonaiError", "RunnerNetworks", "configuration", "runner_networks"]
