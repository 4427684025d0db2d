"""Which versions of SQLite may be used with several connections.

SQLite 3.7.0 to 3.51.2 have the WAL-reset bug (https://sqlite.org/wal.html#walresetbug): with two or more connections in
WAL mode, a checkpoint can skip committed transactions, and the database is corrupt. apsw's wheels contain a fixed
version, but a build from source may use the library of the system.
"""

Version = tuple[int, int, int]

_FIXED: Version = (3, 51, 3)
_FIRST: Version = (3, 7, 0)
_BACKPORTS = {(3, 44): 6, (3, 50): 7}
"""The first fixed version of an older series."""


def has_wal_reset_bug(version: Version) -> bool:
    """Return whether several connections may corrupt a database."""
    major, minor, patch = version
    if version >= _FIXED or version < _FIRST:
        return False
    fixed = _BACKPORTS.get((major, minor))
    return fixed is None or patch < fixed
