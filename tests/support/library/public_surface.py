"""The public names of the library as lines of text: signatures, fields and bases.

`python -m tests.support.library.public_surface` writes them to the file that a test compares them with.
"""

import dataclasses
import inspect
import re
import typing
from pathlib import Path

import msgspec

import streamusage

_PATHS = re.compile(r"\b(?:(?:streamusage|typing|datetime|pathlib|collections|msgspec)(?:\.[a-z_]+)*\.)(?=[A-Za-z])")
"""Paths of modules before names: which module has a type is no part of the surface."""

_QUANTITY = "Exact | AtLeast | Estimate | Reported | Unknown"

FILE = Path(__file__).parents[2] / "streamusage" / "library" / "public_surface.txt"


def describe_surface() -> str:
    """Return a line for each public name, method and field."""
    lines = [line for name in sorted(streamusage.__all__) if name != "__version__" for line in _describe(name)]
    return "\n".join(lines) + "\n"


def _describe(name: str) -> list[str]:
    thing = getattr(streamusage, name)
    if inspect.isclass(thing):
        bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
        return [f"class {name}({bases})", *(f"    {line}" for line in _members(thing))]
    if inspect.isfunction(thing):
        return [_PATHS.sub("", f"def {name}{inspect.signature(thing)}").replace(_QUANTITY, "Quantity")]
    return [f"{name} = {' | '.join(sorted(kind.__name__ for kind in typing.get_args(thing)))}"]


def _members(kind: type) -> list[str]:
    lines = []
    if dataclasses.is_dataclass(kind):
        lines += [f"{field.name}: {_type(field.type)}" for field in dataclasses.fields(kind)]
    elif issubclass(kind, msgspec.Struct):
        lines += [
            f"{field.name}: {_type(field.type)}{'' if field.required else ' = …'}"
            for field in msgspec.structs.fields(kind)
        ]
    elif hasattr(kind, "_fields"):
        lines += [f"{name}: {_type(kind.__annotations__[name])}" for name in kind._fields]
    elif hasattr(kind, "__members__"):
        lines += [f"{member} = {value.value!r}" for member, value in kind.__members__.items()]
    elif "__init__" in vars(kind):
        lines.append(f"__init__{inspect.signature(kind.__init__)}")
    for name, value in sorted(vars(kind).items()):
        if name.startswith("_"):
            continue
        if inspect.isfunction(value):
            prefix = "async def" if inspect.iscoroutinefunction(value) else "def"
            lines.append(f"{prefix} {name}{inspect.signature(value)}")
        elif isinstance(value, property):
            lines.append(f"{name}: property {_type(inspect.signature(value.fget).return_annotation)}")  # type: ignore[arg-type]
    return [_PATHS.sub("", line).replace(_QUANTITY, "Quantity") for line in lines]


def _type(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) and not typing.get_args(annotation) else str(annotation)


if __name__ == "__main__":
    FILE.write_text(describe_surface())
