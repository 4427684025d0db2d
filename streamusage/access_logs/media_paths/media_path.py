"""Paths of requests for files of streams: their folders, stem and suffix, and the file that they name. Pure."""

import re
from typing import Literal, NamedTuple
from urllib.parse import unquote

from streamusage.access_logs.media_paths.name_parts import is_decoration, is_rendition, is_weak_word, split_parts, words
from streamusage.core.text import limit_name

Kind = Literal["playlist", "init", "segment", "part", "other"]

ROOT_SCOPE = "hls"
"""Scope of streams whose path has no folder for one."""

LONGEST_PATH = 1000
"""Characters of a path that are looked at."""

PLAYLIST_SUFFIXES = frozenset({"m3u8", "m3u", "mpd"})
MEDIA_SUFFIXES = words("ts m2ts m4s m4f m4v m4a mp4 fmp4 cmfv cmfa cmft cmf aac mp3 ac3 ec3 webm")
OTHER_SUFFIXES = frozenset({"vtt", "webvtt", "key"})
"""Subtitles and keys: traffic of a stream, and no sign that somebody watches."""

_ROOT_FOLDERS = words(
    "hls dash cmaf llhls ll-hls live vod stream streams video videos media tmp content static www out"
)


class MediaFile(NamedTuple):
    """A requested file of a stream."""

    scope: str
    name: str
    kind: Kind
    rendition: str
    """Words that distinguish its rendition from others; empty where the stream has one."""
    sequence: int | None
    """Number in its rendition, which increases from one segment to the next; None where its name has none."""


class MediaPath(NamedTuple):
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


def path_of(target: str) -> str:
    """Return the path of a request target: without query, fragment, scheme and host."""
    path = target.partition("?")[0].partition("#")[0]
    if not path.startswith("/") and "://" in path:
        path = path.partition("://")[2].partition("/")[2]
    return path[-LONGEST_PATH:]


def split_path(target: str) -> MediaPath | None:
    """Return the path of a request target; None unless its suffix is that of a playlist or of media."""
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
    return MediaPath(tuple(folders), stem, suffix)


def make_file(path: MediaPath, folders: tuple[str, ...], name: str, rendition: str, sequence: int | None) -> MediaFile:
    """Return a file of the stream `name` in folders, or of the last folder where the name is empty."""
    if name and folders and folders[-1] == name and not is_root(folders):
        name = ""
    folders = tuple(folder for folder in folders if folder != "_definst_")
    if not name:
        *above, name = folders or (ROOT_SCOPE,)
        folders = tuple(above)
        name = _clean_folder(name)
    scope = limit_name("/".join(folders) or ROOT_SCOPE)
    return MediaFile(scope, limit_name(name), _kind(path), rendition, sequence)


def _kind(path: MediaPath) -> Kind:
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


def is_root(folders: tuple[str, ...]) -> bool:
    """Return whether folders name no stream: there are none, or all have names of document roots."""
    return all(folder.lower() in _ROOT_FOLDERS for folder in folders)


def split_renditions(folders: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
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
    if is_root(above):
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
    if all(part.isdecimal() or is_weak_word(part) for part in parts) and not is_rendition(folder):
        return len(parts) > 1 and not all(part.isdecimal() for part in parts)
    return all(is_rendition(part) or is_decoration(part) for part in parts)
