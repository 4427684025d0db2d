"""What every view of the console has: state, feeds, header, keys, notices, and the actions of all views.

A view knows the console by its port (`tui.app.ports`), never the app. In read-only mode the actions that delete are
absent.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual.screen import Screen

from tui.app.actions import Action, Context, available, explain_command
from tui.app.feeds import Feed, Notice, StateChange
from tui.app.ports import Console
from tui.app.state import ConsoleState
from tui.model.text import sanitize
from tui.styles.themes import THEMES
from tui.widgets import bars
from tui.widgets.audience import AudienceStrip
from tui.widgets.key_hints import NAME_FILTER_HINTS, hint_parts
from tui.widgets.lines import INK_CLASSES, Line
from tui.widgets.page import PageView

if TYPE_CHECKING:
    from tui.screens.picker import Picked

NOTICE_SHOWN_MS = 8_000
"""How long a notice is shown in place of the keys."""

Value = TypeVar("Value")


class ConsoleScreen(Screen[None]):
    """A full screen. `state_changed` is called after every poll and once a second while the screen is visible.

    Subscriptions to feeds end with the screen.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = INK_CLASSES
    CONTEXT: ClassVar[Context] = Context.SESSIONS

    def __init__(self) -> None:
        super().__init__()
        self._shown_notice: Notice | None = None
        self._notice_at_ms = 0
        self._unsubscribe: list[Callable[[], None]] = []

    @property
    def port(self) -> Console:
        """The console."""
        return cast("Console", self.app)

    @property
    def state(self) -> ConsoleState:
        """The console's state."""
        return self.port.state

    @property
    def service_under_cursor(self) -> str:
        """The service of the row under the cursor, where there are several; else empty."""
        return ""

    @property
    def is_drawn(self) -> bool:
        """Whether its widgets exist: not before the first layout, and no longer while it closes."""
        return self.is_mounted and any(child.id == "keys" for child in self.children)

    @property
    def is_on_top(self) -> bool:
        """Whether it is the uppermost full screen; dialogs over it do not count."""
        return next((screen for screen in reversed(self.app.screen_stack) if not screen.is_modal), None) is self

    def subscribe(self, feed: Feed[Value], callback: Callable[[Value], object]) -> None:
        """Call `callback` for every value of a feed, until the screen is removed."""
        self._unsubscribe.append(feed.subscribe(callback))

    def prepare(self) -> None:
        """Prepare the widgets of the view."""

    def on_mount(self) -> None:
        """Prepare the widgets, subscribe to the feeds of every view, and draw after the first layout."""
        if not self.children:
            return  # the console ends while the view opens
        self.prepare()
        self.subscribe(self.port.feeds.state, self._receive_state)
        self.subscribe(self.port.feeds.notices, self._receive_notice)
        self.call_after_refresh(self.state_changed, polled=True)

    def on_unmount(self) -> None:
        """End the subscriptions."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()

    def _receive_state(self, change: StateChange) -> None:
        if self.is_drawn and (change.polled or self.is_current or self.app.screen.is_modal):
            self.state_changed(polled=change.polled)

    def _receive_notice(self, notice: Notice) -> None:
        if self.is_on_top:
            self._keep_notice(notice)

    def state_changed(self, *, polled: bool) -> None:
        """Draw what is different. `polled` is false where only the ages of figures changed."""
        raise NotImplementedError

    def show_notice(self, text: str, ink: str = "strong") -> None:
        """Show a notice in place of the keys for a while."""
        self._keep_notice(Notice(text, ink))

    def _keep_notice(self, notice: Notice) -> None:
        self._shown_notice, self._notice_at_ms = notice, self.state.clock.elapsed_ms()
        self.state_changed(polled=False)

    def available_actions(self) -> list[Action]:
        """Return the actions of this view, with the keys as this terminal shows them."""
        state = self.state
        return available(
            self.CONTEXT,
            read_only=state.is_read_only(),
            keymap=state.settings.keys,
            unicode=state.unicode,
            has_service=not self.port.poller.no_service_reason,
        )

    def _draw_header(self, view: str = "") -> None:
        self.query_one("#header", Line).show(*bars.header(self.state, view, self.size.width))
        self.query_one(AudienceStrip).update()

    def _draw_keys(self) -> None:
        """Draw the last line: the keys of this view or of its prompt, or the newest notice."""
        notice_age_ms = self.state.clock.elapsed_ms() - self._notice_at_ms
        if self._shown_notice is not None:
            self._shown_notice = self._shown_notice.at_present()
        if self.port.state.opening:
            parts = [bars.opening(self.port.state)]
        elif self.has_class("filtering"):
            parts = hint_parts(NAME_FILTER_HINTS, self.size.width, unicode=self.state.unicode)
        elif self._shown_notice is not None and notice_age_ms < NOTICE_SHOWN_MS:
            parts = [(f" {self._shown_notice.text}", self._shown_notice.ink)]
        else:
            parts = bars.keys(self.available_actions(), self.size.width)
        self.query_one("#keys", Line).show(parts)

    def action_refresh(self) -> None:
        """Poll now."""
        self.port.refresh_now()

    def action_failure(self) -> None:
        """Show why the last poll failed, in full: the last line may cut it."""
        from tui.screens.page import AgingPage

        if self.state.failures:
            self.app.push_screen(AgingPage(self._describe_failure))
        else:
            self.port.show_notice("the last poll succeeded", "quiet")

    def _describe_failure(self) -> list[str]:
        from tui.widgets.error_page import explain_failure

        if not self.state.failures:
            return ["The last poll succeeded."]
        lines: list[str] = []
        failing = {f"{name}: ": part for name, part in self.state.parts.items() if part.failures}
        for name, state in (failing or {"": self.state}).items():
            if (page := explain_failure(state)) is None:
                lines.append(sanitize(state.failure))
            else:
                explained = page.lines(min(self.size.width, 100) - 8)
                lines += [sanitize(f"{name}{page.title}"), *(f"{head:<16}{line}" for head, line in explained)]
        return lines

    def action_repaint(self) -> None:
        """Draw the whole screen again: another program may have written over it."""
        self.port.repaint()

    def action_help(self) -> None:
        """Open the help page."""
        from tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.CONTEXT, self.available_actions(), read_only=self.state.is_read_only()))

    def action_open_view(self, view: str) -> None:
        """Open another view over this one."""
        self.port.open_view(Context(view))

    async def action_quit(self, *_: Any) -> None:
        """Quit the console."""
        self.app.exit(0)

    # The palette

    def action_palette(self) -> None:
        """Open the palette."""
        from tui.screens.picker import Choice, Picker

        choices = [
            Choice(action.call, action.command, f"{action.help}  {action.shown}".rstrip(), action.takes)
            for action in self.available_actions()
            if action.command
        ]
        self.app.push_screen(Picker("Commands", choices, explain=self._explain_command), self._run_picked)

    def _explain_command(self, typed: str) -> str:
        """Return why a command exists and cannot be run here; empty for an unknown one."""
        return explain_command(
            typed,
            self.CONTEXT,
            read_only=self.state.is_read_only(),
            no_service_reason=self.port.poller.no_service_reason,
        )

    async def _run_picked(self, picked: "Picked | None") -> None:
        if picked is not None:
            name = picked.value
            await self.run_action(f"{name}({picked.argument!r})" if picked.argument else name)

    # Actions of every view

    def action_audience(self) -> None:
        """Show or hide the audience of the last hour."""
        self.state.shows_audience = not self.state.shows_audience
        self.port.publish_state(polled=True)

    def action_pause(self) -> None:
        """Pause or resume the table."""
        self.port.toggle_pause()

    def action_interval(self, steps: int) -> None:
        """Poll more often (above zero) or less often."""
        self.port.change_interval(steps)

    def action_arm(self, length: str = "5m") -> None:
        """Lift read-only for a time."""
        self.port.arm(length)

    def action_theme(self, name: str = "") -> None:
        """Switch to another theme."""
        if name in THEMES:
            self.app.theme = name
            return
        from tui.screens.picker import Choice, Picker

        choices = [Choice(theme, theme, "dark" if THEMES[theme].dark else "light") for theme in THEMES]
        self.app.push_screen(Picker("Theme", choices, name, current=self.app.theme), self._theme_picked)

    def _theme_picked(self, picked: "Picked | None") -> None:
        if picked is not None:
            self.app.theme = picked.value

    def action_services(self, name: str = "") -> None:
        """Show all services of config.toml together, or one of them."""
        profiles = self.port.profiles
        if name == "all" and len(profiles) > 1:
            self.port.switch_profile(",".join(profiles))
        elif name in profiles:
            self.port.switch_profile(name)
        elif name:
            known = sanitize(", ".join(profiles)) or "none"
            self.port.show_notice(f"no profile is named {sanitize(name)}; known: {known}, or all of several", "warn")
        else:
            self.action_profile()

    def action_profile(self, name: str = "") -> None:
        """Switch to another profile."""
        from tui.screens.picker import Choice, Picker

        profiles = self.port.profiles
        if name in profiles:
            self.port.switch_profile(name)
        elif not profiles:
            self._explain_profiles()
        else:
            choices = [Choice(profile, profile, address) for profile, address in profiles.items()]
            choices.append(Choice("", "about profiles", "what a profile is, in which file, and how to add one"))
            current = self.state.settings.profile or ""
            self.app.push_screen(Picker("Service", choices, name, current=current), self._profile_picked)

    def _profile_picked(self, picked: "Picked | None") -> None:
        if picked is not None and picked.value:
            self.port.switch_profile(picked.value)
        elif picked is not None:
            self._explain_profiles()

    def _explain_profiles(self) -> None:
        from tui.config.paths import config_path
        from tui.config.profile_help import explain_profiles
        from tui.screens.page import PageScreen

        path = config_path()
        lines = explain_profiles(path, self.port.profiles, exists=path.exists())
        self.app.push_screen(PageScreen(lines, closed_by=("P",)))

    def action_screenshot(self, file: str = "") -> None:
        """Save the screen as an SVG file."""
        self.port.save_picture(file)

    def action_bundle(self, file: str = "") -> None:
        """Save an incident bundle."""
        self.port.save_bundle(file)

    def action_latency(self) -> None:
        """Show the timing of the polls."""
        from tui.app.poll_timing import format_poll_timing
        from tui.screens.page import PageScreen

        self.app.push_screen(PageScreen(format_poll_timing(self.state), closed_by=("L",)))


class ScrollingScreen(ConsoleScreen):
    """A view of one page, which the keys for rows scroll.

    Each key scrolls at once. A scroll in the next frame would start where the page was before the keys ahead of it.
    """

    def action_move(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(PageView).scroll_relative(y=lines, animate=False, immediate=True)

    def action_move_page(self, pages: int) -> None:
        """Move pages down, or up (below zero)."""
        self.action_move(pages * max(1, self.query_one(PageView).size.height - 1))

    def action_first(self) -> None:
        """Move to the first line."""
        self.query_one(PageView).scroll_home(animate=False, immediate=True)

    def action_last(self) -> None:
        """Move to the last line."""
        self.query_one(PageView).scroll_end(animate=False, immediate=True)
