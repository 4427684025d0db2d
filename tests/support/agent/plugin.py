"""Packages with sources, installed in a directory of a test as pip installs them: modules and their metadata."""

import shutil
from pathlib import Path

from tests.support.agent import counter_file_source
from tests.support.program import REPOSITORY


class SitePackages:
    """A directory of installed packages, for the `PYTHONPATH` of a program."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "site-packages"
        self.directory.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{self.directory}:{REPOSITORY}"}

    def install(self, package: str, entry_point: str, source: str, version: str = "1.0") -> None:
        """Install a package with one module, named after it, and one entry point such as `KIND = MODULE:OBJECT`."""
        (self.directory / f"{package}.py").write_text(source)
        metadata = self.directory / f"{package}-{version}.dist-info"
        metadata.mkdir()
        name = package.replace("_", "-")
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[streamusage.sources]\n{entry_point}\n")

    def install_counter_file_source(self) -> None:
        self.install("counter_file_source", "counter-file = counter_file_source:SOURCE", "")
        shutil.copy(counter_file_source.__file__, self.directory / "counter_file_source.py")
