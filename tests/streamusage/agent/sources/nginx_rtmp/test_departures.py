"""Viewers who left nginx's page, and whether the log explains them."""

from streamusage.agent.sources.nginx_rtmp.departures import Departures


def test_viewer_with_a_line_is_explained_whether_it_was_still_on_the_page_or_not() -> None:
    departures = Departures()
    departures.update(["1", "2", "3"], [])
    departures.update(["2"], ["1", "2", "99"])
    assert (departures.left, departures.explained) == (3, 2)
    departures.update([], ["3"])
    assert (departures.left, departures.explained) == (3, 3)


def test_viewer_who_is_back_on_the_page_is_explained() -> None:
    departures = Departures()
    for present in (["1"], [], ["1"], []):
        departures.update(present, [])
    assert (departures.left, departures.explained) == (2, 1)


def test_viewer_who_came_and_went_between_two_pages_does_not_matter() -> None:
    departures = Departures()
    departures.update([], ["5"])
    assert (departures.left, departures.explained) == (0, 0)
