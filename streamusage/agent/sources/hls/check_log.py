"""`streamtop agent check --log FILE`: prints how an access log is understood."""

from collections.abc import Sequence
from pathlib import Path

from streamusage.agent.config.sources import SourceSection
from streamusage.agent.sources.hls.config import HlsConfig
from streamusage.agent.sources.hls.log_lines import LOG_FORM, RequestParser
from streamusage.agent.sources.hls.log_summary import format_summary, read_log


def check_log(path: Path, sections: Sequence[SourceSection]) -> tuple[list[str], bool]:
    """Return the lines that describe a log, and whether a line of it can be read. Raises `LogFileError`.

    The rules are those of the configured source that follows this log, else of the first one of this kind, else the
    defaults.
    """
    configs = [section for section in sections if isinstance(section, HlsConfig)]
    own = [config for config in configs if config.access_log.absolute() == path.absolute()]
    config = (own or configs or [HlsConfig(kind="hls", access_log=path)])[0]
    parser = RequestParser(config.request_rules(), config.log_format)
    summary = read_log(path, parser, config.idle_after_ms)
    layout = config.layout if config.pattern is None else f"pattern {config.pattern}"
    lines = format_summary(path, summary, layout)
    if not summary.is_readable:
        lines.append(f"  FAILED   no line can be read; expected: {LOG_FORM}")
    return lines, summary.is_readable
