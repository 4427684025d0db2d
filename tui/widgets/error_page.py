"""The page in place of an empty table before the first figures: what happened, what is kept, what to do."""

from tui.app.state import ConsoleState
from tui.model.failure_page import FailurePage, Surroundings, failure_page
from tui.model.text import sanitize
from tui.widgets.lines import Part


def error_page(state: ConsoleState) -> FailurePage | None:
    """Return why there is nothing to show; `None` where there is something, or no poll has failed."""
    return None if state.has_figures else explain_failure(state)


def explain_failure(state: ConsoleState) -> FailurePage | None:
    """Return why the last poll failed; `None` where it did not, or only its line is known, as in a recording.

    Of several services, it explains the first one that failed, and names it.
    """
    name, state = next(((f"{name}: ", part) for name, part in state.parts.items() if part.failures), ("", state))
    if state.failed_request is None or not state.failures:
        return None
    settings, freshness = state.settings, state.freshness()
    around = Surroundings(
        url=settings.url,
        url_from=settings.url_from,
        has_token=settings.token is not None,
        token_from=settings.token_from,
        retry_in_ms=freshness.retry_in_ms,
        is_given_up=freshness.is_given_up,
        has_figures=state.has_figures,
        proxy_from=settings.route_from.get("proxy", ""),
    )
    page = failure_page(state.failed_request, around)
    return page._replace(title=sanitize(f"{name}{page.title}"))


def page_lines(page: FailurePage, cells: int) -> list[list[Part]]:
    """Return the lines of the page, for a table of that width."""
    return [
        [(f"   ▲ {page.title}", "bad")],
        *([(f"     {head:<16}", "strong"), (line, "")] for head, line in page.lines(cells - 3)),
    ]
