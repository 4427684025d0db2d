"""The words of which media servers compose the names of playlists and segments. Pure."""

import re


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_SEPARATORS = re.compile(r"[-_.+~=, ]+")

_ROLES = words(
    "index playlist master manifest chunklist medialist mono seg segment segments frag fragment chunk part filepart "
    "init initialization cinit header iframe iframes adaptive abr llhls timeshift mpd fmp4 cfm4s mvnumber mvlist cos "
    "slen filesequence"
)
_WEAK = words(
    "main stream video audio media data file out output hls dash live prog variant rendition track tracks archive abs "
    "rel dvr cmaf ll ts raw default av und subs subtitles text sub caption captions ao vo"
)
"""Words that are also usual names of streams."""

_DECORATION = re.compile(
    r"\d+|b\d+|t64[a-z0-9]+|ct(?:video|audio|caption\w*|subtitles?)|rid[a-z0-9]+|cinit"
    r"|c[nse]\d+|p\d+[av]a?\d*(?:r\d+)?|br\d+|sl[a-z]{2,3}|cos"
    r"|(?:seg|segment|frag|fragment|chunk|part|filepart|filesequence|media|track|init|playlist|chunklist|variant"
    r"|stream|video|audio|data|file|out|output|text|rendition|prog|main)\d+"
)
_RENDITION = re.compile(
    r"\d{2,3}x\d{2,4}|\d{3,4}x\d{3,4}|\d{1,4}[pi](?:\d{1,3}|hd|fps)?(?:\d{1,6}k(?:bp?s)?)?|\d{1,6}k(?:bp?s|b)?|\d{1,3}(?:\.\d)?m(?:bp?s)?"
    r"|(?:hd|sd|fhd|uhd)(?:\d{2,4}p?)?|[248]k|\d{1,3}fps|lo|low|lowest|mid|med|medium|middle|hi|high|highest|hq|lq|mq|src|source"
    r"|orig|original|copy|passthrough|mobile|tablet|aac|opus|mp3|ac3|ec3|h264|h265|hevc|avc|avc1|hvc1|hev1|vp8|vp9|vp09|av1|av01|mp4a"
    r"|240|270|288|320|360|432|480|540|576|720|900|1080|1440|2160|audioonly|[1268]c|[1-9]ch|webm|mpeg|ultralow|xlow|xhigh"
)
_TRACK = re.compile(r"[avfsx]\d{0,3}|(?:[vaft]\d{1,2}){2,6}")
_SESSION_TOKEN = re.compile(r"w\d*|tk[A-Za-z0-9]{6,}|u[a-z0-9]{7,9}|[0-9a-f]{12,64}")


def split_parts(stem: str) -> list[str]:
    """Return the words of a file name's stem in lower case; one empty word for a stem of separators only."""
    return [part for part in _SEPARATORS.split(stem.lower()) if part] or [""]


def is_decoration(part: str) -> bool:
    """Return whether a word describes a role, a track or a number, and names no stream by itself."""
    return part in _ROLES or part in _WEAK or part == "" or _DECORATION.fullmatch(part) is not None


def is_track(part: str) -> bool:
    """Return whether a word selects tracks: `v1`, `v1a1`. It does so after a word for a role only."""
    return _TRACK.fullmatch(part) is not None


def is_weak_word(part: str) -> bool:
    """Return whether a word describes a role and is also a usual name of a stream: `main`, `stream2`."""
    return part.rstrip("0123456789") in _WEAK


def is_rendition(part: str) -> bool:
    """Return whether a word describes a rendition: `720p`, `low`, `h264`, `800kbps`."""
    return _RENDITION.fullmatch(part) is not None


def is_session_token(part: str) -> bool:
    """Return whether a word is a token of a playback session or of a publish: `w1234567`, `tkc2lnbmF0dXJl`."""
    return _SESSION_TOKEN.fullmatch(part) is not None
