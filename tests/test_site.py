"""The documentation site: a strict build, complete, and without anything from other hosts."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import Abort

from streamusage.service.http.openapi import build_document
from tests.support.program import REPOSITORY
from tui.cli import streamtop
from tui.commands.handbook.pages import list_pages

CONFIG = REPOSITORY / ".ci" / "site" / "mkdocs.yml"

LOADS = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "form": "action",
}
"""Attributes whose address a browser loads, by element."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("site")
    arguments = ["-m", "mkdocs", "build", "--quiet", "--strict", "-f", str(CONFIG), "-d", str(folder)]
    done = subprocess.run([sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


class Addresses(HTMLParser):
    """Addresses of a page: those that a browser loads, and those that a reader may follow."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == LOADS.get(tag):
                self.loaded.append(value or "")
            elif name in ("href", "srcset", "data", "poster"):
                self.linked.append(value or "")


def is_foreign(address: str) -> bool:
    return bool(re.match(r"(\w+:)?//", address.strip()))


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = {page: Addresses(page) for page in site.rglob("*.html")}
    assert len(pages) > 50
    assert {
        page.name: foreign for page, found in pages.items() if (foreign := [*filter(is_foreign, found.loaded)])
    } == {}
    for style in site.rglob("*.css"):
        addresses = re.findall(r"(?:url\(|@import )\s*[\"']?([^\"')]*)", style.read_text())
        assert [address for address in addresses if is_foreign(address)] == [], style
    for script in site.rglob("*.js"):
        assert re.findall(r"[\"'`](?:https?:)?//[^\"'`]+\.(?:js|css|json|woff2?)\b", script.read_text()) == [], script


def test_pages_link_to_other_hosts_only_where_their_text_does(site: Path) -> None:
    sources = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), REPOSITORY / "bench" / "README.md"]
    written = " ".join(source.read_text() for source in sources)
    for page in site.rglob("*.html"):
        foreign = {address for address in Addresses(page).linked if is_foreign(address) and page.name != "404.html"}
        assert {address for address in foreign if address.rstrip("/") not in written} == set(), page


def test_every_page_is_built_and_in_the_navigation(site: Path) -> None:
    linked = set(Addresses(site / "index.html").linked)
    docs = REPOSITORY / "docs"
    for path in list_pages(docs).values():
        name = path.relative_to(docs).with_suffix(".html").as_posix().replace("README", "index")
        assert (site / name).is_file()
        assert name in linked


def commands_of(name: str, command: click.Command) -> Iterator[str]:
    yield name
    if isinstance(command, click.Group):
        context = click.Context(command)
        for subname in command.list_commands(context):
            subcommand = command.get_command(context, subname)
            assert subcommand is not None
            yield from commands_of(f"{name} {subname}", subcommand)


def test_page_of_commands_has_the_help_of_every_command(site: Path) -> None:
    text = (site / "reference" / "commands.html").read_text()
    names = list(commands_of("streamtop", streamtop))
    assert len(names) > 30
    assert [name for name in names if f"Usage: {name} " not in text] == []
    assert text.count("-h, --help") >= len(names)


def test_page_of_the_api_has_every_operation_and_type(site: Path) -> None:
    text = (site / "reference" / "http.html").read_text()
    document = build_document("0")
    operations = [f"{method.upper()} {path}" for path, found in document["paths"].items() for method in found]
    assert [operation for operation in operations if operation not in text] == []
    assert [name for name in document["components"]["schemas"] if f'id="{name.lower()}"' not in text] == []


def test_blocks_of_code_inside_lists_are_blocks(site: Path) -> None:
    assert "<p>```" not in "".join(page.read_text() for page in site.rglob("*.html"))


def config_of(directory: Path, *links: str) -> MkDocsConfig:
    """The site's configuration with pages of its own, one of which has the links."""
    docs = directory / "docs"
    docs.mkdir()
    (docs / "quickstart.md").write_text("# Quick\n\n## First\n")
    (docs / "new.md").write_text("\n\n".join(["# New", *(f"[link]({link})" for link in links)]))
    for name in ("api", "commands", "library"):  # generated pages and the README link to them
        (docs / f"{name}.md").write_text(f"# {name}\n")
    return load_config(str(CONFIG), docs_dir=str(docs), site_dir=str(directory / "site"))


def test_new_page_is_in_the_navigation_and_may_link_to_files_of_the_repository(tmp_path: Path) -> None:
    build(config_of(tmp_path, "quickstart.md#first", "../README.md", "../bench/README.md", "../LICENSE"))
    assert {"new.html", "quickstart.html"} <= set(Addresses(tmp_path / "site" / "index.html").linked)
    linked = Addresses(tmp_path / "site" / "new.html").linked
    assert {"quickstart.html#first", "index.html", "project/benchmarks.html"} <= set(linked)
    assert not [address for address in linked if "LICENSE" in address]


def test_links_that_lead_nowhere_fail_the_build(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    links = ("gone.md", "quickstart.md#gone", "#gone", "../gone.md")
    with pytest.raises(Abort, match=f"Aborted with {len(links)} warnings in strict mode"):
        build(config_of(tmp_path, *links))
    assert [link for link in links if f"'{link}'" not in caplog.text] == []
