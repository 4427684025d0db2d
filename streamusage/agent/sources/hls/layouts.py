"""Which stream, rendition and sequence number a requested path belongs to, for the file layouts of media servers. Pure.

Only the path decides, so every reader of a log classifies a request alike. A stream is published once, however many
renditions, playlists, chunk lists and parts it is delivered as. docs/sources/hls.md lists the layouts.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal, NamedTuple
from urllib.parse import unquote

from streamusage.agent.sources.common.identifiers import limit_name
from streamusage.agent.sources.hls.name_parts import (
    is_decoration,
    is_rendition,
    is_session_token,
    is_track,
    is_weak_word,
    split_parts,
    words,
)

Kind = Literal["playlist", "init", "segment", "part", "other"]

ROOT_SCOPE = "hls"
"""Scope of streams whose path has no folder for one."""

LONGEST_PATH = 1000
"""Characters of a path that are looked at."""

PLAYLIST_SUFFIXES = frozenset({"m3u8", "m3u", "mpd"})
MEDIA_SUFFIXES = words("ts m2ts m4s m4f m4v m4a mp4 fmp4 cmfv cmfa cmft cmf aac mp3 ac3 ec3 webm")
OTHER_SUFFIXES = frozenset({"vtt", "webvtt", "key"})
"""Subtitles and keys: traffic of a stream, and no sign that somebody watches."""

_NUMBERED_SUFFIXES = words("mp3 webm")
"""Files without a number are whole works, not segments."""

_PACKAGED_SUFFIXES = MEDIA_SUFFIXES - {"ts", "m2ts", "aac", "mp3"}
_ROOT_FOLDERS = words(
    "hls dash cmaf llhls ll-hls live vod stream streams video videos media tmp content static www out"
)
_KINDS_OF_MEDIA = words("video audio text subtitles subs hls dash cmaf")
_PART_NUMBERS = 10_000
"""Sequence number of a part that is named by its segment: the segment's number times this, plus the part's own."""


class MediaFile(NamedTuple):
    """A requested file of a stream."""

    scope: str
    name: str
    kind: Kind
    rendition: str
    """Words that distinguish its rendition from others; empty where the stream has one."""
    sequence: int | None
    """Number in its rendition, which increases from one segment to the next; None where its name has none."""


class _Path(NamedTuple):
    """A path without query, split at its slashes and decoded."""

    folders: tuple[str, ...]
    stem: str
    suffix: str

    @property
    def kind(self) -> Kind:
        """What the suffix is for."""
        if self.suffix in PLAYLIST_SUFFIXES:
            return "playlist"
        return "segment" if self.suffix in MEDIA_SUFFIXES else "other"


Rule = Callable[[_Path], MediaFile | None]


def classify(target: str, layout: str = "auto") -> MediaFile | None:
    """Return the file of a request target in a layout of `LAYOUTS`; None if it is no file of a stream."""
    path = _split(target)
    if path is None:
        return None
    file = next((file for rule in LAYOUTS[layout] if (file := rule(path)) is not None), None)
    is_whole = file is not None and file.kind == "segment" and file.sequence is None
    return None if is_whole and path.suffix in _NUMBERED_SUFFIXES else file


def path_of(target: str) -> str:
    """Return the path of a request target: without query, fragment, scheme and host."""
    path = target.partition("?")[0].partition("#")[0]
    if not path.startswith("/") and "://" in path:
        path = path.partition("://")[2].partition("/")[2]
    return path[-LONGEST_PATH:]


def _split(target: str) -> _Path | None:
    path = path_of(target)
    folders = [folder for folder in path.split("/") if folder not in ("", ".")]
    if not folders or path.endswith("/"):
        return None
    stem, _, suffix = folders.pop().partition(";")[0].rpartition(".")
    suffix = suffix.lower()
    if not (suffix in MEDIA_SUFFIXES or suffix in PLAYLIST_SUFFIXES or suffix in OTHER_SUFFIXES):
        return None
    if "%" in target:
        folders, stem = [unquote(folder) for folder in folders], unquote(stem)
    return _Path(tuple(folders), stem, suffix)


def _file(path: _Path, folders: tuple[str, ...], name: str, rendition: str, sequence: int | None) -> MediaFile:
    """Return a file of the stream `name` in folders, or of the last folder where the name is empty."""
    if name and folders and folders[-1] == name and not _is_root(folders):
        name = ""
    folders = tuple(folder for folder in folders if folder != "_definst_")
    if not name:
        *above, name = folders or (ROOT_SCOPE,)
        folders = tuple(above)
        name = _clean_folder(name)
    scope = limit_name("/".join(folders) or ROOT_SCOPE)
    return MediaFile(scope, limit_name(name), _kind(path), rendition, sequence)


def _kind(path: _Path) -> Kind:
    if path.kind != "segment":
        return path.kind
    parts = split_parts(path.stem)
    if any(re.fullmatch(r"c?init(ialization)?\d*|header", part) for part in parts):
        return "init"
    return "part" if any(re.fullmatch(r"(file)?part\d*", part) for part in parts) else "segment"


_PREFIXED_FOLDER = re.compile(r"(?:smil|amlst|ngrp|mp4|flv|mp3|id3|amls):(.+)")
_FILE_FOLDER = re.compile(r"(.+?)\.(?:smil|mp4|m4v|mov|mkv|flv|ism|isml|json)")


def _clean_folder(name: str) -> str:
    """Return the stream's name of a folder that is named after a file, a list or a group of renditions."""
    if name.startswith("ngrp:"):
        name = re.sub(r"_[a-z0-9]+$", "", name)
    if match := _PREFIXED_FOLDER.fullmatch(name):
        name = match[1]
    if name.endswith(".urlset"):
        name = name.removesuffix(".urlset").partition(",")[0].rstrip("-_.") or name.strip(",").partition(",")[0]
    if match := _FILE_FOLDER.fullmatch(name):
        name = match[1]
    return name


def _is_root(folders: tuple[str, ...]) -> bool:
    """Return whether folders name no stream: there are none, or all have names of document roots."""
    return all(folder.lower() in _ROOT_FOLDERS for folder in folders)


def _split_renditions(folders: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return the folders without the last ones that name a rendition, and these."""
    end = len(folders)
    while end > 0:
        folder, above = folders[end - 1].lower(), folders[: end - 1]
        if not _is_rendition_folder(folder, above):
            break
        end -= 1
    return folders[:end], "/".join(folders[end:])


def _is_rendition_folder(folder: str, above: tuple[str, ...]) -> bool:
    if re.fullmatch(r"tracks-[a-z0-9]+", folder):
        return True
    if _is_root(above):
        # In a document root, numbers and `stream1` are names of streams.
        return bool(above) and (
            is_rendition(folder) or re.fullmatch(r"(stream|v|video|variant)[_-]\d+", folder) is not None
        )
    if re.fullmatch(r"[a-z]{2,3}", folder) and above[-1].lower() in ("audio", "subtitles", "subs", "text"):
        return True
    if re.fullmatch(r"[av]?\d", folder) or folder in (
        "video",
        "audio",
        "text",
        "subtitles",
        "subs",
        "hls",
        "dash",
        "cmaf",
    ):
        return True
    parts = split_parts(folder)
    return all(is_rendition(part) or is_decoration(part) for part in parts) and not all(map(is_weak_word, parts))


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


def _flussonic(path: _Path) -> MediaFile | None:
    """`s1/tracks-v1a1/2024/01/02/03/04/05-06000.ts`: segments are named after their time."""
    match = _TIME_NAMED.search("/".join((*path.folders, path.stem)))
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(text) for text in match.groups()[:6])
    try:
        seconds = date(year, month, day).toordinal() * 86_400 + hour * 3600 + minute * 60 + second
    except ValueError:
        return None
    folders, rendition = _split_renditions(path.folders[:-5])
    sequence = seconds if match[7] is None else seconds * _PART_NUMBERS + int(match[7])
    file = _file(path, folders, "", rendition, sequence)
    return file if match[7] is None else file._replace(kind="part")


_TIME_NAMED = re.compile(r"(?:^|/)(?:dvr-)?(\d{4})/(\d\d)/(\d\d)/(\d\d)/(\d\d)/(\d\d)-\d{1,6}(?:-(\d{1,4}))?$")


_OVEN_NAME = re.compile(
    r"(seg|part|init|chunklist|medialist)_(\d{1,9})(?:_(\d{1,15})(?=_))?(?:_(\d{1,4})(?=_))?(?:_\w+)?_(?:ll)?hls"
)


def _oven_media_engine(path: _Path) -> MediaFile | None:
    """`app/s1/part_0_12_3_video_KEY_llhls.m4s`: track, segment, part, kind of media, key of the stream."""
    match = _OVEN_NAME.fullmatch(path.stem)
    if match is None:
        return None
    sequence = int(match[3]) if match[3] and match[1] in ("seg", "part") else None
    if match[1] == "part" and sequence is not None:
        sequence = sequence * _PART_NUMBERS + int(match[4] or 0)
    return _file(path, path.folders, "", match[2], sequence)


def _mediamtx(path: _Path) -> MediaFile | None:
    """`s1/0a1b2c3d4e5f_main_seg40.mp4`: the first part is new with every publish."""
    match = re.fullmatch(r"(?:[0-9a-f]{8,32}_)?(?:(main|[a-z]+\d{0,3})_)?(?:(seg|part)(\d{1,15})|init)", path.stem)
    if match is None or path.kind != "segment" or (_is_root(path.folders) and "_" not in path.stem):
        return None
    return _file(path, path.folders, "", match[1] or "", int(match[3]) if match[3] else None)


def _ant_media(path: _Path) -> MediaFile | None:
    """`LiveApp/streams/s1_720p800kbps000000012.ts`: the number has 9 digits, in earlier versions 4."""
    if "streams" not in path.folders[1:]:
        return None
    return _ant_media_always(path)


def _ant_media_always(path: _Path) -> MediaFile | None:
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
    return _file(path, folders, match[1], "" if match[2] in (None, "adaptive") else match[2], sequence)


def _by_folder(path: _Path) -> MediaFile | None:
    """The stream is the folder, whatever its files are called; folders of renditions are skipped."""
    folders, rendition = _split_renditions(path.folders)
    sequence, rest = _sequence(path.stem)
    return _file(path, folders, "", "/".join(filter(None, (rendition, rest))), sequence)


def _by_stem(path: _Path) -> MediaFile | None:
    """`s1.m3u8`, `s1-12.ts`, or with a folder for each stream `s1/index.m3u8`, `s1/12.ts`."""
    if (
        re.fullmatch(r"\d+|index|init|raw|playlist|master", path.stem)
        and path.folders
        and not (path.kind == "playlist" and path.stem.isdecimal())
    ):
        name, rendition = _strip_rendition(path.folders[-1])
        return _file(path, path.folders[:-1], name, rendition, int(path.stem[-18:]) if path.stem.isdecimal() else None)
    return _named(path)


def _named(path: _Path) -> MediaFile:
    """The stem begins with the stream's name; its rendition and number follow."""
    stem, sequence = path.stem, None
    if path.kind == "segment":
        stem, sequence = _strip_number(stem)
    name, rendition = _strip_rendition(stem)
    return _file(path, path.folders, name, rendition, sequence)


def _strip_number(stem: str) -> tuple[str, int | None]:
    """Return a stem without its sequence number, and this."""
    match = re.fullmatch(r"(.+?)-(?:\d{5,20}-)?(\d+)", stem) or re.fullmatch(r"(.*[^\d_-])[_.-]*(?<=[_.])(\d+)", stem)
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
        if not (is_rendition(word) or is_session_token(word) or (roles and word in _ROLE_ENDINGS)):
            break
        end = match.start()
    rendition = stem[end:].strip("-_.")
    return stem[:end], "" if rendition.lower() in _ROLE_ENDINGS else rendition


_ROLE_ENDINGS = words(
    "init index playlist master manifest adaptive abr chunklist seg segment chunk frag fragment part audio video "
    "v a mono iframes iframe llhls dvr"
)


def _automatic(path: _Path) -> MediaFile | None:
    """The stem if it names a stream, else the folder."""
    parts = split_parts(path.stem)
    folders, rendition = _split_renditions(path.folders)
    number = _number_after(path.stem, folders[-1]) if folders else None
    if number is not None or _names_no_stream(path, parts, folders):
        sequence, rest = (number, "") if number is not None else _sequence(path.stem)
        more = ""
        if folders:
            last, more = _strip_rendition(folders[-1], roles=False)
            folders = (*folders[:-1], last)
        return _file(path, folders, "", "/".join(filter(None, (rendition, more, rest))), sequence)
    if path.kind == "segment" and (match := re.fullmatch(r"(.*[^\d_])_(\d{1,2})_(\d+)", path.stem)):
        # AWS and ffmpeg: number of the rendition, number of the segment.
        name, more = _strip_rendition(match[1])
        return _file(path, folders, name, "/".join(filter(None, (rendition, more, match[2]))), int(match[3][-18:]))
    file = _named(path._replace(folders=folders))
    return file._replace(rendition="/".join(filter(None, (rendition, file.rendition))))


def _number_after(stem: str, folder: str) -> int | None:
    """Return the number in a stem that is the name of its folder and a number; None for another stem."""
    digits = stem[len(folder) :].lstrip("-_.") if stem.startswith(folder) else ""
    return int(digits[-18:]) if re.fullmatch(r"[0-9]+", digits) else None


def _names_no_stream(path: _Path, parts: list[str], folders: tuple[str, ...]) -> bool:
    """Return whether a stem consists of words for roles, renditions and numbers only."""
    is_role_first = is_decoration(parts[0])
    if not all(
        is_decoration(part) or is_rendition(part) or is_session_token(part) or (is_role_first and is_track(part))
        for part in parts
    ):
        return parts[0] in ("audio", "text", "subtitles") and all(
            is_decoration(part) or is_rendition(part) or re.fullmatch(r"[a-z]{2,3}", part) for part in parts
        )
    if not _is_root(path.folders):
        return True
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
