"""Reads nginx's configuration from its files: includes are replaced by the directives of the files that they name."""

import glob
from pathlib import Path
from typing import NamedTuple

from streamusage.agent.setup.nginx_syntax import Directive, NginxSyntaxError, parse_nginx


class NginxFiles(NamedTuple):
    """A configuration, with its includes in place."""

    root: Directive
    """All directives, in the block of a directive without a name."""
    file: Path
    prefix: Path
    """The folder of relative paths of logs."""
    problems: tuple[str, ...]
    """Files that could not be read."""

    def path_of(self, name: str) -> Path:
        """Return the path of a name of a log or a folder."""
        return self.prefix / name


def read_nginx_files(file: Path, prefix: Path | None = None) -> NginxFiles:
    """Return the configuration that begins in a file. `prefix` is by default the folder of the file.

    Raises `NginxSyntaxError`, or `OSError` if the file itself cannot be read.
    """
    reader = _Reader(file.parent)
    root = Directive("", (), reader.read(file), str(file), 1)
    return NginxFiles(root, file, file.parent if prefix is None else prefix, tuple(reader.problems))


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: list[Path] = []
        """The file that is read, after those that include it."""
        self.problems: list[str] = []

    def read(self, file: Path) -> tuple[Directive, ...]:
        path = file.resolve()
        if path in self._open:
            raise NginxSyntaxError(f"{self._open[-1]}: it includes {file}, which includes it")
        # nginx does not know encodings: names of files and formats of logs keep their bytes.
        directives = parse_nginx(file.read_text("utf-8", "surrogateescape"), str(file))
        self._open.append(path)
        try:
            return self._expand(directives)
        finally:
            self._open.pop()

    def _expand(self, directives: tuple[Directive, ...]) -> tuple[Directive, ...]:
        found: list[Directive] = []
        for directive in directives:
            if directive.name == "include" and len(directive.arguments) == 1 and directive.block is None:
                found += self._include(directive)
            elif directive.block is not None:
                found.append(directive._replace(block=self._expand(directive.block)))
            else:
                found.append(directive)
        return tuple(found)

    def _include(self, directive: Directive) -> list[Directive]:
        # As in nginx, relative to the folder of the main file, and a pattern without files is no error.
        pattern = str(self._folder / directive.arguments[0])
        files = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]
        found: list[Directive] = []
        for name in files:
            try:
                found += self.read(Path(name))
            except OSError as error:
                place = f"{directive.file}:{directive.line}"
                self.problems.append(f"{place}: the included file {name} cannot be read: {error.strerror}")
        return found
