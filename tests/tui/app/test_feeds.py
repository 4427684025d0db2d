"""Feeds: order of delivery, the end of a subscription, and errors of a subscriber."""

from pathlib import Path

import pytest

from tests.support.console.pilot import is_gap_grid_drawn, open_console, wait_for
from tui.app.actions import Context
from tui.app.feeds import Feed


def test_feed_delivers_in_order_of_subscription_until_unsubscribed() -> None:
    feed, received = Feed[int](), []
    end_first = feed.subscribe(lambda value: received.append(("first", value)))
    feed.subscribe(lambda value: received.append(("second", value)))
    feed.publish(1)
    end_first()
    end_first()
    feed.publish(2)
    assert received == [("first", 1), ("second", 1), ("second", 2)]


def test_subscriber_that_unsubscribes_while_it_receives_loses_no_other_delivery() -> None:
    feed, received = Feed[int](), []
    end = feed.subscribe(lambda value: end())
    feed.subscribe(received.append)
    feed.publish(1)
    feed.publish(2)
    assert received == [1, 2]


def test_error_of_a_subscriber_surfaces() -> None:
    feed = Feed[int]()
    feed.subscribe(lambda value: 1 // value)
    with pytest.raises(ZeroDivisionError):
        feed.publish(0)


async def test_subscriptions_of_a_view_end_when_it_closes(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        feeds = vars(app.feeds)
        before = {name: len(feed._callbacks) for name, feed in feeds.items()}
        await pilot.press("g")
        await wait_for(pilot, lambda: is_gap_grid_drawn(app), "the coverage")
        assert len(app.feeds.coverage._callbacks) == 1
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is app.sessions_screen, "the sessions")
        await wait_for(
            pilot,
            lambda: {name: len(feed._callbacks) for name, feed in feeds.items()} == before,
            "no subscription left",
        )
