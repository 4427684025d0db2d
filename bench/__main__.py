"""All benchmarks of the console: `python -m bench [NAME …] [--json FILE]`.

Each prints its figures with baseline, ratio and target as it ends; they run one after another, because a benchmark
beside another one measures both. The document has the figures of each benchmark under its name.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BENCHMARKS = {
    "start": "start of the console and the client commands",
    "console_table": "keys, sorts, filters, polls and memory with 100,000 and 1,000,000 sessions",
    "wire": "bytes to the terminal",
    "gap_view": "keys in the gap view with 500 servers and 30 days",
    "days_view": "keys in the days view with 500 servers and 2,000 streams",
    "console_cost": "what consoles and retention cost the service",
}
"""Modules of `bench.console`, with what they measure, in the order in which they run."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="\n".join(__doc__.splitlines()[2:]).strip())
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    given = parser.parse_args()
    figures: dict[str, object] = {}
    failed = []
    with tempfile.TemporaryDirectory() as directory:
        for name in given.names or BENCHMARKS:
            print(f"== {name}: {BENCHMARKS[name]}", flush=True)
            document, began = Path(directory) / f"{name}.json", time.monotonic()
            ended = subprocess.run(
                [sys.executable, "-m", f"bench.console.{name}", "--json", str(document)], check=False
            )
            print(f"== {name}: {time.monotonic() - began:.0f} s\n", flush=True)
            if document.exists():
                figures[name] = json.loads(document.read_text())
            if ended.returncode:
                failed.append(name)
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    if failed:
        sys.exit(f"a target was missed, or the benchmark failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
