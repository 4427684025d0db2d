"""The registry of media servers (`sources/__init__.py`): lazy imports, and import contracts for every kind."""

import subprocess
import sys
import tomllib

from streamusage.agent import sources
from tests.support.program import REPOSITORY

CREATE_HLS_SOURCE = """
import sys
from pathlib import Path
from streamusage.agent.config.sources import HlsConfig
from streamusage.agent.sources import create_source
from streamusage.core.clock import SystemClock
create_source(HlsConfig(kind="hls", access_log=Path("x.log")), SystemClock(), Path("x.hooks"))
print(*sorted(name for name in sys.modules if name.startswith("streamusage.agent.sources.")))
"""


def kind_modules() -> set[str]:
    """Names of the modules and packages of all kinds of media servers."""
    (folder,) = sources.__path__
    names = {path.stem for path in (REPOSITORY / folder).iterdir() if path.suffix == ".py" or path.is_dir()}
    return {f"streamusage.agent.sources.{name}" for name in names - {"__init__", "__pycache__", "common"}}


def test_only_the_module_of_the_configured_kind_is_loaded() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", CREATE_HLS_SOURCE], check=True, capture_output=True, text=True, cwd=REPOSITORY
    ).stdout.split()
    loaded_kinds = {kind for kind in kind_modules() for name in loaded if name == kind or name.startswith(f"{kind}.")}
    assert loaded_kinds == {"streamusage.agent.sources.hls"}


def test_import_contracts_name_every_kind() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    independent = next(contract for contract in contracts if "another kind" in contract["name"])
    assert set(independent["modules"]) == kind_modules()
    shared = next(contract for contract in contracts if contract["name"] == "what media servers share knows no kind")
    assert set(shared["forbidden_modules"]) == kind_modules()
