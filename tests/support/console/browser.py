"""A real Chromium without a window, and the cells that a page of a recording shows in it."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.waiting import LONGEST_WAIT_S

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",  # containers have little of it
)
_READ = """
const styles = new Map();
function look(span, number) {
  if (!styles.has(number)) {
    const style = getComputedStyle(span), line = style.textDecorationLine;
    styles.set(number, [style.color, style.backgroundColor, Number(style.fontWeight) >= 600,
      style.fontStyle === "italic", line.includes("underline"), line.includes("line-through")]);
  }
  return number;
}
function read() {
  return [...document.querySelectorAll("#screen > .row")].map((row) => [...row.children].map((span) => {
    const names = [...span.classList], cells = Number(names.find((name) => /^w\\d+$/.test(name)).slice(1));
    const number = names.find((name) => /^s\\d+$/.test(name));
    return [span.textContent, cells, names.includes("glyph"), look(span, number)];
  }));
}
"""


class ShownCell(NamedTuple):
    """A cell of the page: its text, its colours as `#rrggbb`, its attributes. The second half of a wide one is `""`."""

    text: str
    ink: str
    ground: str
    bold: bool
    italic: bool
    underline: bool
    strike: bool


class Browser:
    """A browser with one page of a recording."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, page: Path, fragment: str = "") -> None:
        """Open a page from its file, and wait until it is ready."""
        self.driver.get("about:blank")
        self.drain_logs()
        self.driver.get(page.as_uri() + fragment)
        self.wait(lambda: self.run("return document.documentElement.dataset.ready === 'true'"))

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page, and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is true."""
        WebDriverWait(self.driver, LONGEST_WAIT_S, poll_frequency=0.02).until(lambda _: condition())

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys one after another, as a keyboard does; with `shift` while it is held."""
        for key in keys:
            chain = ActionChains(self.driver, duration=0)
            (chain.key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT) if shift else chain.send_keys(key)).perform()

    def text(self, element: str) -> str:
        """Return the text of an element, also of a hidden one."""
        return str(self.run("return document.getElementById(arguments[0]).textContent", element))

    def screen(self) -> list[list[ShownCell]]:
        """Return the cells of the screen."""
        return self._decoded(self.run(_READ + "return { frames: [read()], styles: [...styles] };"))[0]

    def frames(self) -> list[list[list[ShownCell]]]:
        """Return every frame of the view from the first one on, by the key that steps frames."""
        script = """
        const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
        press("Home");
        const frames = [read()];
        for (let before = ""; ; frames.push(read())) {
          before = document.getElementById("seek").value;
          press(".");
          if (document.getElementById("seek").value === before) break;
        }
        return { frames, styles: [...styles] };
        """
        return self._decoded(self.run(_READ + script))

    def _decoded(self, found: dict[str, Any]) -> list[list[list[ShownCell]]]:
        styles = {
            number: (_hex(ink), _hex(ground), *attributes) for number, (ink, ground, *attributes) in found["styles"]
        }
        return [[list(_cells(row, styles)) for row in frame] for frame in found["frames"]]

    def drain_logs(self) -> tuple[list[str], list[str]]:
        """Return what the console of the browser has logged, and the addresses of all requests since the last call."""
        logged = [entry["message"] for entry in self.driver.get_log("browser")]
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        requested = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        return logged, requested


def _cells(row: list[Any], styles: dict[str, tuple[Any, ...]]) -> Iterator[ShownCell]:
    for text, cells, is_glyph, number in row:
        texts = [text, *[""] * (cells - 1)] if is_glyph else list(text)
        assert len(texts) == cells, f"{text!r} in {cells} cells"
        for part in texts:
            yield ShownCell(part, *styles[number])


def _hex(colour: str) -> str:
    """Return `rgb(1, 2, 3)` as `#010203`."""
    red, green, blue = map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))
    return f"#{red:02x}{green:02x}{blue:02x}"


@contextmanager
def run_browser(profile: Path, *, width: int = 1280, height: int = 900) -> Iterator[Browser]:
    """Run a Chromium with a new empty profile."""
    options = ChromeOptions()
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.binary_location = shutil.which("chromium") or ""
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(LONGEST_WAIT_S)
    driver.set_page_load_timeout(LONGEST_WAIT_S)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
