"""What the commands print of a store, and the files that they and the console keep on a user's machine."""

import json
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.compatibility.estate import USAGE
from tests.compatibility.exchange import Client, Json, normalised
from tests.compatibility.programs.processes import FIXTURES, TOKENS, Clock, Ended, command_line, run
from tests.compatibility.programs.terminal import terminal

DELETED = Path(".local/state/streamtop/deleted.ndjson")
MEMORY = Path(".local/state/streamtop/console/lab.json")
"""Where the console keeps how the table of the profile `lab` was left."""

_DAYS = ("--from", "2026-03-14", "--to", "2026-03-15")
_READING = (
    ("ls", "--format", "json"),
    ("ls", "--format", "csv", "--tz", "Europe/Berlin"),
    ("ls", "keynote", "active>=0 and total<1M", "--format", "ndjson"),
    ("ls", "--api-version", "3.1", "scope=old*", "--format", "json"),
    ("gaps", "--from", "2026-03-14", "--format", "json"),
    ("gaps", "--from", "2026-03-14", "--server", "edge-1", "--with-live", "--format", "csv"),
    ("gaps", "--from", "2026-03-14", "--fail-on", "missing,lost", "--max-age", "10m", "--format", "ndjson"),
    ("daily", *_DAYS, "--format", "json"),
    ("daily", *_DAYS, "--by", "month", "--group", "role", "--format", "csv"),
    ("daily", *_DAYS, "--final-only", "--format", "csv"),
    ("daily", "adjustments", *_DAYS, "--format", "json"),
    ("servers", "--format", "csv"),
    ("orphans", "--from", "2026-03-14", "--format", "json"),
    ("audit", "--from", "2026-03-14", "--format", "csv"),
    ("rm", "live/unknown", "--yes"),
    ("ls", "active=many"),
    ("journal", "--file", str(FIXTURES / "deleted.ndjson"), "--format", "json"),
)


def use_commands(
    port: int, client: Client, clock: Clock, home: Path, export: Sequence[str] = (), verify: Sequence[str] = ()
) -> Json:
    """Return what the commands print about the estate's store, and what a delete and a restore leave behind.

    `export` and `verify` are further options of the commands that write and check a statement.
    """

    def command(*arguments: str, token: str = "admin") -> Ended:
        environment = {"STREAMTOP_URL": f"http://127.0.0.1:{port}", "STREAMTOP_TOKEN": TOKENS.get(token, token)}
        return run(*arguments, home=home, clock=clock, environment=environment)

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda arguments: command(*arguments), _READING))
    found = {
        " ".join(arguments).replace(str(FIXTURES), "FIXTURES"): _printed(each)
        for arguments, each in zip(_READING, ended, strict=True)
    }
    found["ls, a wrong token"] = _printed(command("ls", token="wrong"))
    statement = home / "statement.json"
    exported = command("daily", "export", "--from", "2026-03-14", "--to", "2026-03-14", "--with-adjustments",
                       "-o", str(statement), *export)  # fmt: skip
    found["daily export"] = {"code": exported.code, "statement": json.loads(statement.read_text())}
    found["daily verify"] = {"code": command("daily", "verify", str(statement), *verify).code}

    found["rm"] = _printed(command("rm", "old/two", "--yes", "--format", "json"))
    journal = (home / DELETED).read_text().replace(f"127.0.0.1:{port}", "127.0.0.1:5080")
    found["deleted.ndjson"] = [json.loads(line) for line in journal.splitlines()]
    after_delete = client.request("GET", f"{USAGE}/old/two", token="admin").status
    restored = command("journal", "two", "--restore").code
    found["restored"] = [after_delete, restored, client.read_json(f"{USAGE}/old/two", token="admin")]
    return found


def _printed(ended: Ended) -> Json:
    """Return the exit code and the data that a command printed."""
    out = ended.out
    try:
        data = normalised(json.loads(out))
    except ValueError:
        lines = out.splitlines()
        data = [normalised(json.loads(line)) for line in lines] if out.startswith("{") else lines
    return {"code": ended.code, "out": data}


def use_console(port: int, clock: Clock, home: Path, keys: Sequence[str], shows: str, hides: str) -> Json:
    """Start the console with the profile `lab`, press keys, wait for a table with one stream and not the other, quit.

    Returns what the console remembers then. Keys are pressed at a fixed pace: good for a recording, not for a test.
    """
    folder = home / ".config" / "streamtop"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(
        f'[profiles.lab]\nurl = "http://127.0.0.1:{port}"\ntoken_env = "COMPAT_ADMIN"\nread_only = true\n'
    )
    command = command_line("tui", "--profile", "lab", clock=clock)
    with terminal(command, home, COMPAT_ADMIN=TOKENS["admin"]) as console:
        console.wait_for(lambda rows: any(shows in row for row in rows), f"the stream {shows}")
        for key in keys:
            console.press(key)
            time.sleep(0.5)
        console.wait_for(
            lambda rows: any(shows in row for row in rows) and not any(hides in row for row in rows),
            f"the table without {hides}",
        )
        console.press("q")
        assert console.wait_for_end() == 0
    return json.loads((home / MEMORY).read_text())


def place(fixture: str, home: Path, path: Path) -> None:
    """Copy a fixture to where the program looks for it in a user's home folder."""
    (home / path).parent.mkdir(parents=True)
    shutil.copyfile(FIXTURES / fixture, home / path)
