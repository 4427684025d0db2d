"""httpx without its command line: nothing else differs from `import httpx`."""

import subprocess
import sys

from tests.support.program import REPOSITORY

OURS = "from streamusage.client.httpx_import import httpx"


def output_of(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_command_line_and_what_it_needs_are_not_imported() -> None:
    heavy = "{'httpx._main', 'click', 'pygments', 'rich'}"
    assert output_of(f"{OURS}; import sys; print(sorted({heavy} & set(sys.modules)))") == "[]"


def test_public_names_are_those_of_a_usual_import() -> None:
    names = "print(sorted(httpx.__all__), all(hasattr(httpx, name) for name in httpx.__all__))"
    assert output_of(f"{OURS}; {names}") == output_of(f"import httpx; {names}")


def test_command_line_can_be_imported_afterwards() -> None:
    assert output_of(f"{OURS}; import httpx._main; print(httpx._main.main.name)") == "main"


def test_httpx_that_was_imported_before_stays_as_it_is() -> None:
    assert output_of(f"import httpx; main = httpx.main; {OURS}; print(httpx.main is main)") == "True"


def test_httpx_that_needs_its_command_line_is_imported_with_it() -> None:
    """A version without the fallback: its `__init__` raises where `_main` cannot be imported."""
    program = f"""
import importlib.abc, importlib.machinery, sys, types

class Needing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name in ("httpx", "httpx._main"):
            return importlib.machinery.ModuleSpec(name, self, is_package=name == "httpx")
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        if module.__name__ == "httpx":
            import httpx._main

sys.meta_path.insert(0, Needing())
{OURS}
print("httpx._main" in sys.modules)
"""
    assert output_of(program) == "True"
