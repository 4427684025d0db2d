"""The examples of docs/library.md, run against a real service on a real port."""

import doctest

import pytest

from tests.support.program import REPOSITORY

PAGE = REPOSITORY / "docs" / "library.md"


@pytest.mark.usefixtures("environment")
def test_every_example_of_the_page_prints_what_the_page_shows() -> None:
    text = PAGE.read_text()
    found = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(found.examples) > 15
    assert text.count(">>> ") == len(found.examples)
    output: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(found, out=output.append, clear_globs=False)
    assert results.failed == 0, "".join(output)
