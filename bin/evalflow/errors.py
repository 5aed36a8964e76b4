"""The exception that users see, and what it says of common failures."""

import errno
import os
from pathlib import Path

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class UserError(Exception):
    """A mistake or a condition that the user can cure.

    Its text is one line (or one line per problem) that names the file, the key, the reason and the
    cure. Scripts print it without a traceback and exit with status 1.
    """


def describe_os_error(error: OSError) -> str:
    """Return one line for a failed file operation: the file, the reason and the cure."""
    where = error.filename2 or error.filename or "file system"
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _DISK_FULL:
        return f"{where}: {reason}; free some space (or choose another folder) and launch again"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{where}: {reason}; check the permissions of the folder"
    return f"{where}: {reason}"


def changed_since_planned(path: Path | str) -> UserError:
    """Return the error of a file whose content is no longer what an id was computed from."""
    return UserError(f"{os.path.realpath(path)}: has changed since the launch was planned; launch again")
