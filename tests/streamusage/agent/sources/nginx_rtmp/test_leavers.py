"""Viewers who left nginx's page, and whether the log explains them."""

from streamusage.agent.sources.nginx_rtmp.leavers import Leavers


def test_viewer_with_a_line_is_explained_whether_it_was_still_on_the_page_or_not() -> None:
    leavers = Leavers()
    leavers.update(["1", "2", "3"], [])
    leavers.update(["2"], ["1", "2", "99"])
    assert (leavers.left, leavers.explained) == (3, 2)
    leavers.update([], ["3"])
    assert (leavers.left, leavers.explained) == (3, 3)


def test_viewer_who_is_back_on_the_page_is_explained() -> None:
    leavers = Leavers()
    for present in (["1"], [], ["1"], []):
        leavers.update(present, [])
    assert (leavers.left, leavers.explained) == (2, 1)


def test_viewer_who_came_and_went_between_two_pages_does_not_matter() -> None:
    leavers = Leavers()
    leavers.update([], ["5"])
    assert (leavers.left, leavers.explained) == (0, 0)
