"""Arrays in a file: NumPy's .npz, never with objects, which could run code when read."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from evalflow.errors import UserError


def write_arrays(path: Path, **arrays: np.ndarray | np.generic) -> None:
    """Write arrays to `path`; the caller sees that it appears whole or not at all."""
    with open(path, "wb") as file:  # an open file, since NumPy would add .npz to the name
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(path: Path, what: str, version: int, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the arrays `names` of a file that `write_arrays` wrote with this `version`.

    Raises
    ------
    UserError
        Where the file is damaged, lacks an array, or has another version. It names `what` the file
        should be.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = int(stored["version"])
            arrays = {name: stored[name] for name in names} if found == version else {}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"{path}: is no {what} that can be read ({reason}); remove it, it is made again") from None
    if found != version:
        raise UserError(f"{path}: is a {what} of version {found}, and {version} is needed; remove it, it is made again")
    return arrays
