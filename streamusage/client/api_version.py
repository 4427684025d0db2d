"""The versions of the documented API. Imports nothing heavy: the command line lists them in its help."""

from typing import Literal

ApiVersion = Literal["3.1", "4.0"]
