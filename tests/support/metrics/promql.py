"""Queries of dashboards and rules: which metrics they select, by which labels, and how. Parsed by `promql_parser`."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import promql_parser as promql

_VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h"}
_OVER_TIME = {"rate", "increase", "irate", "resets"}
ADDED_BY_PROMETHEUS = frozenset({"instance", "job"})
ADDED_BY_FUNCTIONS = frozenset({"le"})


class Selected(NamedTuple):
    """A metric as a query selects it."""

    name: str
    labels: frozenset[str]
    """Labels of its matchers, and of groupings around it."""
    function: str
    """The function that takes its range; empty for an instant selector."""


def parse_query(text: str) -> list[Selected]:
    """Return what a query selects. Raises `ValueError` if it cannot be parsed."""
    for name, value in _VARIABLES.items():
        text = text.replace(name, value)
    text = re.sub(r"\$\w+", "x", text)
    return list(_walk(promql.parse(text), frozenset(), ""))


def _walk(node: Any, grouped: frozenset[str], function: str) -> Iterator[Selected]:
    match node:
        case promql.AggregateExpr():
            more = frozenset() if node.modifier is None else frozenset(node.modifier.labels)
            yield from _walk(node.expr, grouped | more, function)
        case promql.BinaryExpr():
            yield from _walk(node.lhs, grouped, function)
            yield from _walk(node.rhs, grouped, function)
        case promql.Call():
            for argument in node.args:
                yield from _walk(argument, grouped, node.func.name)
        case promql.MatrixSelector():
            yield _selected(node.vector_selector, grouped, function)
        case promql.VectorSelector():
            yield _selected(node, grouped, function if function in _OVER_TIME else "")
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _walk(node.expr, grouped, function)
        case promql.NumberLiteral() | promql.StringLiteral():
            return
        case _:
            raise ValueError(f"unknown part of a query: {type(node).__name__}")


def _selected(selector: Any, grouped: frozenset[str], function: str) -> Selected:
    matched = frozenset(matcher.name for matcher in selector.matchers.matchers)
    return Selected(selector.name, matched | grouped, function)
