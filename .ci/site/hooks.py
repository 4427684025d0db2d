"""Hooks of MkDocs: the navigation by topic, pages of the repository outside of docs/, and generated pages.

| page                      | made from                                                     |
|---------------------------|---------------------------------------------------------------|
| `index.md`                | README.md                                                     |
| `project/…`               | CONTRIBUTING, CHANGELOG, SECURITY, the README of bench/       |
| `screenshots/README.md`   | that of screenshots/, with its pictures                       |
| `reference/commands.md`   | the help of every command                                     |
| `reference/http.md`       | the service's OpenAPI document, also as `openapi.json`        |
"""

import json
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

from api_page import api_page
from help_page import help_page

from streamusage import __version__
from streamusage.service.http.openapi import build_document
from tui.cli import streamtop
from tui.commands.handbook.pages import list_pages, title_of
from tui.commands.handbook.topics import group_topics

REPOSITORY = Path(__file__).resolve().parents[2]

OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    "bench/README.md": "project/benchmarks.md",
    "screenshots/README.md": "screenshots/README.md",
}
"""Pages of the site by file of the repository, outside of docs/."""

_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)")
_FENCE = re.compile(r"^( *)(```|~~~)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for name, source in OUTSIDE.items():
        files.append(File.generated(config, source, content=(REPOSITORY / name).read_text("utf-8")))
    for picture in (REPOSITORY / "screenshots").iterdir():
        if picture.suffix != ".md":
            files.append(File.generated(config, f"screenshots/{picture.name}", abs_src_path=str(picture)))
    document = build_document(__version__)
    files.append(File.generated(config, "reference/commands.md", content=help_page(streamtop)))
    files.append(File.generated(config, "reference/http.md", content=api_page(document)))
    files.append(File.generated(config, "reference/openapi.json", content=json.dumps(document, indent=2)))
    config.nav = _navigation(config)
    config.extra["version"] = __version__
    return files


def _navigation(config: MkDocsConfig) -> list[Any]:
    pages = list_pages(Path(config.docs_dir))
    titles = {topic: title_of(path.read_text("utf-8")) for topic, path in pages.items()}
    sources = {topic: path.relative_to(config.docs_dir).as_posix() for topic, path in pages.items()}
    for topic, title in (("reference/commands", "Help of every command"), ("reference/http", "HTTP API by OpenAPI")):
        titles[topic], sources[topic] = title, f"{topic}.md"
    groups = [
        {group: [{_short(titles[topic]): sources[topic]} for topic in topics]}
        for group, topics in group_topics(sources).items()
    ]
    project = [{_short(title_of((REPOSITORY / name).read_text())): OUTSIDE[name]} for name in list(OUTSIDE)[1:]]
    return [{"streamtop": "index.md"}, *groups, {"Project": project}]


def _short(title: str) -> str:
    """Return a title for the navigation, without its explanation."""
    return title if re.match(r"\d+:", title) else title.partition(": ")[0]


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with its links inside the site, and the blocks inside lists as the renderer reads them."""
    directory = posixpath.dirname(_file_of(page.file.src_uri))

    def replace(found: re.Match[str]) -> str:
        text, target = found.groups()
        path, _, anchor = target.partition("#")
        if not path or re.match(r"\w+:", path):
            return found[0]
        name = posixpath.normpath(posixpath.join(directory, path))
        source = OUTSIDE.get(name) or name.removeprefix("docs/")
        if (REPOSITORY / name).is_dir():
            source = f"{source}/README.md"
        if files.get_file_from_path(source) is None:
            exists = (REPOSITORY / name).exists()
            return f"{text[1:-1]}" if exists else found[0]  # a file of the repository that is no page
        relative = posixpath.relpath(source, posixpath.dirname(page.file.src_uri) or ".")
        return f"{text}({relative}{'#' if anchor else ''}{anchor})"

    return "\n".join(_outside_code(_indent_lists(markdown.split("\n")), lambda line: _LINK.sub(replace, line)))


def _file_of(source: str) -> str:
    """Return the file of the repository that a page is made from."""
    return {page: name for name, page in OUTSIDE.items()}.get(source, f"docs/{source}")


def _indent_lists(lines: list[str]) -> list[str]:
    """Indent the blocks inside numbered items by 4 instead of 3 spaces."""
    result, is_code = [], False
    for line in lines:
        fence = _FENCE.match(line)
        is_nested = line.startswith("   ") and not is_code
        if fence and not fence[1]:
            is_code = not is_code
        result.append(f" {line}" if is_nested else line)
    return result


def _outside_code(lines: list[str], change: Any) -> list[str]:
    """Change the text outside of blocks of code; a link may be divided between two lines."""
    result: list[str] = []
    text: list[str] = []
    is_code = False
    for line in [*lines, None]:
        is_fence = line is not None and bool(_FENCE.match(line))
        if line is None or is_fence:
            if not is_code and text:
                result += change("\n".join(text)).split("\n")
            elif text:
                result += text
            text = []
            if line is not None:
                result.append(line)
                is_code = not is_code
        else:
            text.append(line)
    return result
