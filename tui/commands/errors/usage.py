"""The text of an error of the command line: one form for every command, with what a mistyped name may mean. Pure."""

import re

import click

from tui.model.suggestions import did_you_mean

_NOT_A_CHOICE = re.compile(r"""(['"])(?P<typed>.*)\1 is not one of """, re.DOTALL)


def describe_usage_error(error: click.ClickException) -> str:
    """Return `unknown option '--colums' of streamtop ls; did you mean --columns?`, and where help is."""
    message = _message(error).strip().rstrip(".")
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return message
    return f"{message}\ntry: {error.ctx.command_path} --help"


def unknown_server(name: str | None, known: list[str]) -> list[str]:
    """Return a message if a server was named that is not known; none without a name."""
    if name is None or name in known:
        return []
    return [f"no server {name}{did_you_mean(name, known)}"]


def _message(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        where = f" of {error.ctx.command_path}" if error.ctx is not None else ""
        close = did_you_mean(error.option_name, _options(error.ctx))
        return f"unknown option {error.option_name!r}{where}{close}"
    if isinstance(error, click.MissingParameter):
        return _lower_first(error.format_message())
    if isinstance(error, click.BadParameter):
        return _bad_parameter(error)
    return _lower_first(error.format_message())


def _bad_parameter(error: click.BadParameter) -> str:
    message = error.message.strip().rstrip(".")
    kind = None if error.param is None else error.param.type
    found = _NOT_A_CHOICE.match(message) if isinstance(kind, click.Choice) else None
    if found is not None and isinstance(kind, click.Choice):
        choices = [str(choice) for choice in kind.choices]
        close = did_you_mean(found["typed"], choices)
        message = f"{found['typed']!r} is not one of {', '.join(choices)}{close}"
    return f"{_name(error)}{message}"


def _name(error: click.BadParameter) -> str:
    if isinstance(error.param, click.Option):
        return f"{max(error.param.opts, key=len)}: "
    if error.param is not None and error.param.metavar:
        return f"{error.param.metavar.strip('[].')}: "
    return f"{error.param.human_readable_name}: " if error.param is not None else ""


def _options(ctx: click.Context | None) -> list[str]:
    if ctx is None:
        return []
    return [name for parameter in ctx.command.get_params(ctx) for name in parameter.opts if name.startswith("--")]


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
