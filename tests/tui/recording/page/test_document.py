"""The file of a page: one, closed, and with what comes from outside as data."""

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser

import pytest

from tui.recording.page.document import FilmedView, PageRecording, encode_page
from tui.recording.page.marks import TimeMark
from tui.recording.page.palette import PageStyle

HOSTILE = "</script><script>alert(1)</script><!--<img src=//evil.example/x>&quot;'\"{{style}}"


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the texts of style and scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag if tag != "script" else f"script {dict(attrs).get('id', '')}".strip()

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._inside, []).append(data)

    def text(self, element: str) -> str:
        return "".join(self.texts[element])


@pytest.fixture(scope="module")
def page() -> Elements:
    mark = TimeMark(kind="missing", from_ms=1_000, to_ms=2_000, text=HOSTILE)
    recording = PageRecording(
        title=HOSTILE,
        from_ms=0,
        to_ms=60_000,
        zone="Europe/Berlin",
        columns=40,
        lines=12,
        palette=[PageStyle("#ffffff", "#000000")],
        marks=[mark],
    )
    return Elements(encode_page(recording, [FilmedView("sessions", [[0, [0, 0, 0, HOSTILE]]])]).decode())


def test_page_loads_nothing(page: Elements) -> None:
    for tag, attributes in page.found:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "video", "audio")
        assert not {"src", "href", "srcset", "action", "style"} & attributes.keys(), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in page.text("style")
    assert "url(" not in page.text("style")
    assert "@font-face" not in page.text("style")
    assert not re.search(r"https?:|fetch\(|XMLHttpRequest|WebSocket|eval\(|innerHTML", page.text("script"))


def test_policy_admits_its_own_style_and_script_only(page: Elements) -> None:
    metas = [attributes for tag, attributes in page.found if tag == "meta"]
    policy = next(meta["content"] for meta in metas if meta.get("http-equiv") == "Content-Security-Policy") or ""
    hashes = {
        name: base64.b64encode(hashlib.sha256(page.text(name).encode()).digest()).decode()
        for name in ("script", "style")
    }
    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src 'sha256-{hashes['script']}'",
        f"style-src 'sha256-{hashes['style']}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "\r" not in page.text("script")


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [part / 255 for part in bytes.fromhex(colour[1:])]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_text_around_the_screen_has_the_contrast_of_wcag_aa(page: Elements) -> None:
    schemes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", rule))
        for rule in re.findall(r":root \{[^}]*\}", page.text("style"))
    ]
    assert len(schemes) == 2
    for scheme in schemes:
        grounds = [luminance(scheme.pop(name)) for name in ("page", "button")]
        assert scheme.pop("line")
        assert {"ink", "quiet", "accent", "missing", "backfilled", "lost", "held", "failed"} == scheme.keys()
        for name, colour in scheme.items():
            for ground in grounds:
                low, high = sorted((luminance(colour), ground))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (name, colour)


def test_text_from_outside_is_data(page: Elements) -> None:
    assert page.text("title") == page.text("h1") == HOSTILE
    recording = json.loads(page.text("script recording"))
    assert recording["title"] == recording["marks"][0]["text"] == HOSTILE
    frames = zlib.decompress(base64.b64decode(page.text("script frames")))
    assert json.loads(frames) == [{"name": "sessions", "frames": [[0, [0, 0, 0, HOSTILE]]]}]
    assert [attributes.get("id") for tag, attributes in page.found if tag == "script"] == ["recording", "frames", None]
