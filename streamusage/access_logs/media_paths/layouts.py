"""Which stream, rendition and sequence number a requested path belongs to, for the file layouts of media servers. Pure.

Only the path decides, so every reader of a log classifies a request alike. A stream is published once, however many
renditions, playlists, chunk lists and parts it is delivered as. docs/sources/hls.md lists the layouts.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date

from streamusage.access_logs.media_paths.media_path import (
    MEDIA_SUFFIXES,
    MediaFile,
    MediaPath,
    is_root,
    make_file,
    split_path,
    split_renditions,
)
from streamusage.access_logs.media_paths.name_parts import (
    is_decoration,
    is_rendition,
    is_session_token,
    is_track,
    is_weak_word,
    split_parts,
    words,
)

_NUMBERED_SUFFIXES = words("mp3 webm")
"""Files without a number are whole works, not segments."""

_PACKAGED_SUFFIXES = MEDIA_SUFFIXES - {"ts", "m2ts", "aac", "mp3"}
_PART_NUMBERS = 10_000
"""Sequence number of a part that is named by its segment: the segment's number times this, plus the part's own."""


Rule = Callable[[MediaPath], MediaFile | None]


def classify(target: str, layout: str = "auto") -> MediaFile | None:
    """Return the file of a request target in a layout of `LAYOUTS`; None if it is no file of a stream."""
    path = split_path(target)
    if path is None:
        return None
    file = next((file for rule in LAYOUTS[layout] if (file := rule(path)) is not None), None)
    is_whole = file is not None and file.kind == "segment" and file.sequence is None
    return None if is_whole and path.suffix in _NUMBERED_SUFFIXES else file


def _sequence(stem: str) -> tuple[int | None, str]:
    """Return the sequence number in a stem that names no stream, and the rest of it without session tokens."""
    parts = [part for part in split_parts(stem) if not is_session_token(part)]
    at = _sequence_index(parts)
    if at is None:
        return None, "-".join(parts)
    number = re.search(r"\d+$", parts[at])
    rest = [*parts[:at], *([prefix] if (prefix := parts[at].rstrip("0123456789")) else []), *parts[at + 1 :]]
    return int(number[0][-18:]) if number else None, "-".join(rest)


_NUMBERED = re.compile(
    r"c[ns]\d+|(?:seg|segment|frag|fragment|chunk|part|data|file|filesequence|media|out|output|stream)\d+"
)


def _sequence_index(parts: list[str]) -> int | None:
    """Return the index of the part with the sequence number: its marked number, the last number, or one at its end."""
    for index, part in enumerate(parts):
        if re.fullmatch(r"c[ns]\d+", part):
            return index
    for index, part in enumerate(parts[:-1]):
        if part in ("seg", "segment", "frag", "fragment") and parts[index + 1].isdecimal():
            rest = parts[index + 2 :]
            if not any(other.isdecimal() for other in rest):
                return index + 1
    for index in range(len(parts) - 1, -1, -1):
        if parts[index].isdecimal():
            return index
        if _NUMBERED.fullmatch(parts[index]):
            return index
    return None


def _flussonic(path: MediaPath) -> MediaFile | None:
    """`s1/tracks-v1a1/2024/01/02/03/04/05-06000.ts`: segments are named after their time."""
    match = _TIME_NAMED.search("/".join((*path.folders, path.stem)))
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(text) for text in match.groups()[:6])
    try:
        seconds = date(year, month, day).toordinal() * 86_400 + hour * 3600 + minute * 60 + second
    except ValueError:
        return None
    folders, rendition = split_renditions(path.folders[:-5])
    sequence = seconds if match[7] is None else seconds * _PART_NUMBERS + int(match[7])
    file = make_file(path, folders, "", rendition, sequence)
    return file if match[7] is None else file._replace(kind="part")


_TIME_NAMED = re.compile(r"(?:^|/)(?:dvr-)?(\d{4})/(\d\d)/(\d\d)/(\d\d)/(\d\d)/(\d\d)-\d{1,6}(?:-(\d{1,4}))?$")


_OVEN_NAME = re.compile(
    r"(seg|part|init|chunklist|medialist)_(\d{1,9})(?:_(\d{1,15})(?=_))?(?:_(\d{1,4})(?=_))?(?:_\w+)?_(?:ll)?hls"
)


def _oven_media_engine(path: MediaPath) -> MediaFile | None:
    """`app/s1/part_0_12_3_video_KEY_llhls.m4s`: track, segment, part, kind of media, key of the stream."""
    match = _OVEN_NAME.fullmatch(path.stem)
    if match is None:
        return None
    sequence = int(match[3]) if match[3] and match[1] in ("seg", "part") else None
    if match[1] == "part" and sequence is not None:
        sequence = sequence * _PART_NUMBERS + int(match[4] or 0)
    return make_file(path, path.folders, "", match[2], sequence)


def _mediamtx(path: MediaPath) -> MediaFile | None:
    """`s1/0a1b2c3d4e5f_main_seg40.mp4`: the first part is new with every publish."""
    match = re.fullmatch(r"(?:[0-9a-f]{8,32}_)?(?:(main|[a-z]+\d{0,3})_)?(?:(seg|part)(\d{1,15})|init)", path.stem)
    if match is None or path.kind != "segment" or (is_root(path.folders) and "_" not in path.stem):
        return None
    return make_file(path, path.folders, "", match[1] or "", int(match[3]) if match[3] else None)


def _ant_media(path: MediaPath) -> MediaFile | None:
    """`LiveApp/streams/s1_720p800kbps000000012.ts`: the number has 9 digits, in earlier versions 4."""
    if "streams" not in path.folders[1:]:
        return None
    return _ant_media_always(path)


def _ant_media_always(path: MediaPath) -> MediaFile | None:
    folders, sequence, stem = path.folders, None, path.stem
    if "streams" in folders:
        at = len(folders) - 1 - folders[::-1].index("streams")
        folders = (*folders[:at], *folders[at + 1 :])
    if path.kind == "segment":
        digits = re.search(r"[0-9]*$", stem)
        length = len(digits[0]) if digits else 0
        width = 9 if length >= 9 else 4 if length >= 4 else length
        if width:
            stem, sequence = stem[:-width], int(stem[-width:])
    match = re.fullmatch(r"(.+?)(?:_(adaptive|\d{1,4}p(?:\d{1,6}kbps)?))?[-_]*(?:init)?", stem)
    if match is None:
        return None
    return make_file(path, folders, match[1], "" if match[2] in (None, "adaptive") else match[2], sequence)


def _by_folder(path: MediaPath) -> MediaFile | None:
    """The stream is the folder, whatever its files are called; folders of renditions are skipped."""
    folders, rendition = split_renditions(path.folders)
    sequence, rest = _sequence(path.stem)
    return make_file(path, folders, "", "/".join(filter(None, (rendition, rest))), sequence)


def _by_stem(path: MediaPath) -> MediaFile | None:
    """`s1.m3u8`, `s1-12.ts`, or with a folder for each stream `s1/index.m3u8`, `s1/12.ts`."""
    if (
        re.fullmatch(r"\d+|index|init|raw|playlist|master", path.stem)
        and path.folders
        and not (path.kind == "playlist" and path.stem.isdecimal())
    ):
        name, rendition = _strip_rendition(path.folders[-1])
        return make_file(
            path, path.folders[:-1], name, rendition, int(path.stem[-18:]) if path.stem.isdecimal() else None
        )
    return _named(path)


def _named(path: MediaPath) -> MediaFile:
    """The stem begins with the stream's name; its rendition and number follow."""
    stem, sequence = path.stem, None
    if path.kind == "segment":
        stem, sequence = _strip_number(stem, may_have_time=path.suffix in _PACKAGED_SUFFIXES)
    name, rendition = _strip_rendition(stem)
    return make_file(path, path.folders, name, rendition, sequence)


def _strip_number(stem: str, *, may_have_time: bool) -> tuple[str, int | None]:
    """Return a stem without its sequence number, and this. A time may stand before the number: `s1-1234567-12`."""
    match = re.fullmatch(r"(.+?)-\d{5,20}-(\d+)", stem) if may_have_time else None
    match = match or re.fullmatch(r"(.+?)-20\d{6}-(\d{10})", stem) or re.fullmatch(r"(.+)-(\d+)", stem)
    match = match or re.fullmatch(r"(.*[^\d_-])[_.-]*(?<=[_.])(\d+)", stem)
    if match is None:
        match = re.fullmatch(r"(.*\D)(\d+)", stem)
        if match is None:
            return stem, None
        name, digits = match[1], match[2]
        for width in (9, 4):
            # A number of fixed width that follows a name with a number at its end.
            if len(digits) > width and digits[-width:].startswith("000" if width == 9 else "0"):
                name, digits = stem[:-width], digits[-width:]
                break
        return name.rstrip("-_.") or stem, int(digits[-18:])
    return match[1].rstrip("-_.") or stem, int(match[2][-18:])


def _strip_rendition(stem: str, *, roles: bool = True) -> tuple[str, str]:
    """Return a name without the words for a rendition or a role that follow it, and these."""
    end = len(stem)
    while True:
        match = re.search(r"[-_.]([^-_.]+)$", stem[:end])
        if match is None or not match.start():
            break
        word = match[1].lower()
        if not (is_rendition(word) or (roles and word in _ROLE_ENDINGS)):
            break
        end = match.start()
    rendition = stem[end:].strip("-_.")
    return stem[:end], "" if rendition.lower() in _ROLE_ENDINGS else rendition


_ROLE_ENDINGS = words(
    "init index playlist master manifest adaptive abr chunklist seg segment chunk frag fragment part audio video "
    "v a mono iframes iframe llhls dvr"
)


def _automatic(path: MediaPath) -> MediaFile | None:
    """The stem if it names a stream, else the folder."""
    parts = split_parts(path.stem)
    folders, rendition = split_renditions(path.folders)
    number = _number_after(path.stem, folders[-1]) if folders else None
    if number is not None or _names_no_stream(path, parts, folders):
        sequence, rest = (number, "") if number is not None else _sequence(path.stem)
        more = ""
        if folders:
            last, more = _strip_rendition(folders[-1], roles=False)
            folders = (*folders[:-1], last)
        return make_file(path, folders, "", "/".join(filter(None, (rendition, more, rest))), sequence)
    if path.kind == "segment" and (match := re.fullmatch(r"(.*[^\d_])_(\d{1,2})_(\d+)", path.stem)):
        # AWS and ffmpeg: number of the rendition, number of the segment.
        name, more = _strip_rendition(match[1])
        return make_file(path, folders, name, "/".join(filter(None, (rendition, more, match[2]))), int(match[3][-18:]))
    file = _named(path._replace(folders=folders))
    return file._replace(rendition="/".join(filter(None, (rendition, file.rendition))))


def _number_after(stem: str, folder: str) -> int | None:
    """Return the number in a stem that is the name of its folder and a number; None for another stem."""
    digits = stem[len(folder) :].lstrip("-_.") if stem.startswith(folder) else ""
    return int(digits[-18:]) if re.fullmatch(r"[0-9]+", digits) else None


def _names_no_stream(path: MediaPath, parts: list[str], folders: tuple[str, ...]) -> bool:
    """Return whether a stem consists of words for roles, renditions and numbers only."""
    is_role_first = is_decoration(parts[0]) and not parts[0].isdecimal()
    if not all(
        is_decoration(part)
        or is_rendition(part)
        or (is_role_first and index and (is_session_token(part) or is_track(part)))
        for index, part in enumerate(parts)
    ):
        return parts[0] in ("audio", "text", "subtitles") and all(
            is_decoration(part) or is_rendition(part) or re.fullmatch(r"[a-z]{2,3}", part) for part in parts
        )
    if not is_root(path.folders):
        # A number of several digits is the name of a stream, unless it is that of a segment.
        is_name = len(parts[0]) > 2 and parts[0].isdecimal() and not is_rendition(parts[0])
        return not (is_name and len(parts) == (1 if path.kind == "playlist" else 2))
    # A stream in a document root may be called `main`, `video` or `12`.
    named = [part for part in parts if not part.isdecimal()]
    if not named:
        return path.kind == "segment" and len(parts) == 1
    if path.suffix in _PACKAGED_SUFFIXES and named[0] in ("audio", "video"):
        return True
    return not all(is_weak_word(word) for word in named) or (bool(path.folders) and not folders)


def _server(*rules: Rule) -> tuple[Rule, ...]:
    return rules


LAYOUTS: Mapping[str, tuple[Rule, ...]] = {
    "auto": (_flussonic, _oven_media_engine, _mediamtx, _ant_media, _automatic),
    "nginx-rtmp": (_by_stem,),
    "nginx-vod": (_by_folder,),
    "wowza": (_by_folder,),
    "mediamtx": (_mediamtx, _by_folder),
    "ovenmediaengine": (_oven_media_engine, _by_folder),
    "ant-media": (_ant_media_always,),
    "srs": (_by_stem,),
    "flussonic": (_flussonic, _by_folder),
    "packager": (_by_folder,),
}
"""The rules of each layout, of which the first that fits a path decides."""
