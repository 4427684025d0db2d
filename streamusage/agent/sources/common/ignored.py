"""The setting `ignore`: leaves out monitors and own tools, by address or user agent. Its rules are pure.

    | rule              | matches                                                           |
    |-------------------|-------------------------------------------------------------------|
    | `192.0.2.10`      | this address                                                      |
    | `2001:db8::/32`   | the addresses of a network                                        |
    | `agent:kube-probe`| each user agent that contains this text, in any case              |
    | `agent:curl*ping` | the same; `*` matches any characters                              |

An ignored viewer is neither a connection nor view time, and is counted separately. The traffic stays the server's own,
ignored viewers included: its counters do not separate them. A source fills in `address` and `agent` of its viewers and
of their log lines; the rest is done here, for every kind.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar

import msgspec
from pydantic import PlainValidator, model_validator

from streamusage.agent.config.sources import SourceSection
from streamusage.agent.reading import EndedConnection, IgnoredViewers, Reading, Source, ViewerReading
from streamusage.agent.sources.common.networks import Network, parse_address

AGENT_PREFIX = "agent:"

MOST_RULES = 1000

_REMEMBERED = 4096
"""So many pairs of address and agent are matched only once."""


class IgnoreRuleError(ValueError):
    """A rule is neither an address nor a network nor an agent. The text names the rule and the forms."""


class IgnoreRules:
    """The checked rules of one source. Without rules, nothing matches."""

    def __init__(self, rules: Iterable[str] = ()) -> None:
        """Raises `IgnoreRuleError`."""
        self.rules = tuple(rule.strip() for rule in rules)
        if len(self.rules) > MOST_RULES:
            raise IgnoreRuleError(f"{len(self.rules)} rules; at most {MOST_RULES} are possible")
        self._networks = [(_parse_network(rule), rule) for rule in self.rules if not _is_agent_rule(rule)]
        self._agents = [(_split_agent(rule), rule) for rule in self.rules if _is_agent_rule(rule)]
        self._match = lru_cache(maxsize=_REMEMBERED)(self._find_rule)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IgnoreRules) and self.rules == other.rules

    def __hash__(self) -> int:
        return hash(self.rules)

    def __repr__(self) -> str:
        return f"IgnoreRules({list(self.rules)!r})"

    @property
    def has_agents(self) -> bool:
        """Whether a rule needs the user agent, which not every source knows."""
        return bool(self._agents)

    def find_rule(self, address: str, agent: str = "") -> str:
        """Return the first rule that a viewer matches; empty if none does.

        `address` may have a port (`192.0.2.10:5123`, `[2001:db8::1]:5123`); a text without an address matches no
        network. Addresses come first, then agents.
        """
        return self._match(address, agent) if self.rules else ""

    def matches(self, address: str, agent: str = "") -> bool:
        """Return whether a viewer is to be ignored."""
        return bool(self.find_rule(address, agent))

    def _find_rule(self, address: str, agent: str) -> str:
        parsed = parse_address(address) if self._networks else None
        if parsed is not None:
            for network, rule in self._networks:
                if parsed in network:
                    return rule
        lowered = agent.lower()
        return next((rule for parts, rule in self._agents if _contains_in_order(lowered, parts)), "")


def _is_agent_rule(rule: str) -> bool:
    return rule[: len(AGENT_PREFIX)].lower() == AGENT_PREFIX


def _parse_network(rule: str) -> Network:
    try:
        network = ip_network(rule, strict=False)
    except ValueError:
        raise IgnoreRuleError(
            f"{rule[:100]!r} is no rule of `ignore`; expected an address (192.0.2.10), a network (10.0.0.0/8) or a "
            "part of a user agent (agent:kube-probe)"
        ) from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:
        return ip_network(f"{mapped}/{network.prefixlen - 96}")
    return network


def _split_agent(rule: str) -> list[str]:
    parts = [part for part in rule[len(AGENT_PREFIX) :].strip().lower().split("*") if part]
    if not parts:
        raise IgnoreRuleError(f"{rule[:100]!r} would ignore every viewer; write a part of the user agent after it")
    return parts


def _contains_in_order(text: str, parts: list[str]) -> bool:
    """Return whether the parts occur one after the other, in linear time: the text is a stranger's."""
    position = 0
    for part in parts:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return True


def _check(value: Any) -> IgnoreRules:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple) or not all(isinstance(rule, str) for rule in value):
        raise IgnoreRuleError('expected a list of texts, such as ignore = ["192.0.2.10", "agent:kube-probe"]')
    return IgnoreRules(value)


IgnoreSetting = PlainValidator(_check)
"""For a field of a source's configuration: `ignore: Annotated[IgnoreRules, IgnoreSetting] = NOTHING_IGNORED`."""

NOTHING_IGNORED = IgnoreRules()


class IgnoringSection(SourceSection):
    """Settings of a source that reports the address of each viewer."""

    ignore: Annotated[IgnoreRules, IgnoreSetting] = NOTHING_IGNORED
    """Viewers that are monitors or tools of the operator."""

    KNOWS_AGENTS: ClassVar[bool] = True
    """Whether the source reports user agents, too."""

    @model_validator(mode="after")
    def _reject_unknown_agents(self) -> "IgnoringSection":
        if self.ignore.has_agents and not self.KNOWS_AGENTS:
            raise ValueError("ignore has a rule with agent:, but this server reports no user agents; use addresses")
        return self


class IgnoringSource:
    """A source without the viewers that match the rules."""

    def __init__(self, source: Source, rules: IgnoreRules) -> None:
        self._source = source
        self._rules = rules
        self._present: set[str] = set()
        self._connections = 0

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`, with the number of ignored viewers."""
        reading = await self._source.read(cursor)
        viewers: list[ViewerReading] = []
        present: set[str] = set()
        for viewer in reading.viewers:
            if self._rules.matches(viewer.address, viewer.agent):
                present.add(f"{reading.boot}/{viewer.viewer_id}")
            else:
                viewers.append(viewer)
        ended = [self._without_visit(line) for line in reading.ended]
        self._connections += len(present - self._present)
        for before, after in zip(reading.ended, ended, strict=True):
            if before is not after and f"{reading.boot}/{before.connection_id}" not in self._present:
                self._connections += 1
        self._present = present
        return msgspec.structs.replace(
            reading,
            viewers=tuple(viewers),
            ended=tuple(ended),
            # The server's own count contains the ignored connections.
            accepted=None,
            ignored=IgnoredViewers(present=len(present), connections=self._connections),
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        ended = await self._source.ended_between(from_cursor, to_cursor)
        return tuple(self._without_visit(line) for line in ended)

    async def close(self) -> None:
        """As `Source.close`."""
        await self._source.close()

    def _without_visit(self, line: EndedConnection) -> EndedConnection:
        """Return a line that is no visit if its viewer is ignored; a publish is never ignored."""
        if line.kind in ("play", "join", "watch") and self._rules.matches(line.address, line.agent):
            return msgspec.structs.replace(line, kind="other")
        return line


def without_ignored(source: Source, config: SourceSection) -> Source:
    """Return the source without the viewers that its configuration ignores."""
    if isinstance(config, IgnoringSection) and config.ignore:
        return IgnoringSource(source, config.ignore)
    return source
