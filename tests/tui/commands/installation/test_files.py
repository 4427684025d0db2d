"""`streamtop files`: what the installation carries."""

import json
from pathlib import Path

import pytest

from tests.support.program import Program
from tui.commands.installation.packaged_files import FOLDER, kinds, list_files


async def test_files_are_listed_with_folder_kind_and_purpose(streamtop: Program) -> None:
    ended = await streamtop("files")
    assert (ended.code, ended.err) == (0, f"they are in {FOLDER}\n")
    header, *rows = ended.out.splitlines()
    assert header.split() == ["KIND", "FILE", "PURPOSE"]
    assert any(row.startswith("demo ") and "demo/outage.tape.gz" in row and "streamtop replay" in row for row in rows)


async def test_paths_lead_to_files(streamtop: Program) -> None:
    ended = await streamtop("files", "demo", "--paths")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{FOLDER / 'demo' / 'outage.tape.gz'}\n"
    (listed,) = json.loads((await streamtop("files", "demo", "--format", "json")).out)
    assert (listed["kind"], f"{listed['path']}\n") == ("demo", ended.out)


async def test_unknown_kind_is_refused_with_the_known_ones(streamtop: Program) -> None:
    ended = await streamtop("files", "pictures")
    assert ended.code == 2
    assert all(kind in ended.err for kind in kinds())


@pytest.mark.parametrize("kind", kinds())
def test_every_file_states_its_purpose(kind: str) -> None:
    assert [file.path for file in list_files(kind) if not file.purpose] == []


@pytest.mark.parametrize(
    ("kind", "name", "text", "purpose"),
    [
        ("systemd", "a.service", "[Unit]\nDescription=the usage service\n\n[Service]\n", "the usage service"),
        ("grafana", "audience.json", '{"title": "Audience", "panels": []}', "Audience"),
        ("grafana", "audience.json", '{"title": "Audience", "description": "who watches"}', "who watches"),
        ("grafana", "broken.json", "[", "dashboards of Grafana"),
        ("man", "streamtop-ls.1", ".TH X\n.SH NAME\nstreamtop\\-ls \\- List the sessions.\n", "List the sessions."),
        ("docs", "agent.md", "# The agent\n\ntext\n", "The agent"),
        ("other", "a.txt", "text", ""),
    ],
)
def test_purpose_is_read_from_the_file(tmp_path: Path, kind: str, name: str, text: str, purpose: str) -> None:
    (tmp_path / kind).mkdir()
    (tmp_path / kind / name).write_text(text)
    (tmp_path / kind / "__init__.py").touch()
    assert kinds(tmp_path) == [kind]
    (file,) = list_files(kind, tmp_path)
    assert (file.kind, file.path.name, file.purpose) == (kind, name, purpose)
