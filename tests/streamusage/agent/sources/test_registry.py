"""The registry of media servers (`sources/__init__.py`): lazy imports, import contracts and docs for every kind."""

import re
import subprocess
import sys
import tomllib

import pytest

from streamusage.agent import sources
from streamusage.agent.config.sources import SourceSection
from tests.support.program import REPOSITORY

DOCS = REPOSITORY / "docs" / "sources"

CREATE_HLS_SOURCE = """
import sys
from pathlib import Path
from streamusage.agent.sources import create_source
from streamusage.agent.sources.hls.source import HlsConfig
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


def test_every_module_is_registered_under_its_own_name() -> None:
    registered = {name: sources.find_kind(name) for name in sources.BUILT_IN}
    assert {name: kind.kind for name, kind in registered.items() if kind} == {name: name for name in registered}
    modules = {".".join(module.split(".")[:4]) for module in sources.BUILT_IN.values()}
    assert modules == kind_modules() - {"streamusage.agent.sources.simulated"}, "the demo creates simulated servers"


def test_import_contract_covers_every_kind() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    independent = next(contract for contract in contracts if "another kind" in contract["name"])
    assert independent["modules"] == ["streamusage.agent.sources.*"]


def test_table_of_kinds_in_the_docs_is_the_registry() -> None:
    documented = [line for line in (DOCS / "README.md").read_text().splitlines() if line.startswith("| [`")]
    kinds = [kind for name in sources.BUILT_IN if (kind := sources.find_kind(name))]
    assert documented == [
        f"| [`{kind.kind}`]({kind.kind}.md) | {kind.server} | {kind.viewers} | {kind.traffic} | {kind.stream_traffic} |"
        for kind in kinds
    ]


@pytest.mark.parametrize("name", sources.BUILT_IN)
def test_page_of_a_kind_states_how_traffic_by_stream_is_known(name: str) -> None:
    kind = sources.find_kind(name)
    assert kind is not None
    assert f"**Traffic by stream: {kind.stream_traffic}" in (DOCS / f"{name}.md").read_text()


@pytest.mark.parametrize("name", sources.BUILT_IN)
def test_page_of_a_kind_documents_every_setting(name: str) -> None:
    page = (DOCS / f"{name}.md").read_text()
    assert f'kind = "{name}"' in page
    page += (DOCS / "README.md").read_text()
    model = sources.find_config_model(name)
    assert model is not None
    keys = {field.alias or key for key, field in model.model_fields.items()}
    shared = {field.alias or key for key, field in SourceSection.model_fields.items()}
    assert [key for key in sorted(keys - shared) if not re.search(rf"\b{key}\b", page)] == []
