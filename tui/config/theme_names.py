"""The names of the themes. Imports nothing heavy: the command line lists them in its help."""

from typing import Literal

ThemeName = Literal["dark", "light", "high-contrast", "deuteranopia-safe", "ansi-16"]
