"""Checkpoints that are files on this machine or on its file systems."""

import os
from pathlib import Path
from urllib.parse import unquote

from evalflow.checkpoints.base import Checkpoint
from evalflow.checkpoints.forms import form_that_works
from evalflow.digests import file_digest
from evalflow.errors import UserError
from evalflow.lookup import Lookup

_POINTER = b"version https://git-lfs.github.com/spec/"


def _path_of(uri: str, key: str) -> str:
    """Return the path that a name is, or that a `file://` URL names."""
    if not uri.startswith("file://"):
        return uri
    host, _, path = uri.removeprefix("file://").partition("/")
    if host not in ("", "localhost") or not path:
        raise UserError(f"{key}: {uri}: names no file of this host; allowed: file:///PATH, or the path")
    return f"/{unquote(path)}"


def _file_in(folder: Path) -> str:
    """Return the checkpoint in a folder that somebody probably means."""
    found = sorted(path for path in folder.glob("*") if path.suffix in {".ckpt", ".onnx", ".pt"} and path.is_file())
    best = next((path for path in found if path.name == "inference-last.ckpt"), found[0] if len(found) == 1 else None)
    return str(best) if best else "a file in it"


def _is_pointer(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_POINTER)) == _POINTER


class LocalFile:
    """A checkpoint named by path.

    Its identity is its content. The digest is cached for as long as the file is not touched.
    """

    def accepts(self, uri: str) -> bool:
        """Return whether `uri` means this provider."""
        return "://" not in uri or uri.startswith("file://")

    def resolve(self, uri: str, lookup: Lookup, key: str) -> Checkpoint:
        """Return what `uri` means now."""
        name = _path_of(uri, key)
        try:
            path = Path(os.path.abspath(lookup.require(name, key)))
        except UserError as error:
            other = form_that_works(name)
            raise UserError(f"{error}; allowed: {other}" if other else str(error)) from None
        if path.is_dir():
            raise UserError(f"{key}: {path}: is a folder; allowed: {_file_in(path)}")
        try:
            sha256 = file_digest(path)
        except UserError as error:
            raise UserError(f"{key}: {error}") from None
        if _is_pointer(path):
            raise UserError(
                f"{key}: {path}: is a pointer of Git LFS and not the file; allowed: the file, by `git lfs pull`"
            )
        return Checkpoint(uri, {"sha256": sha256}, sha256[:4], str(path), path.stat().st_size, sha256)

    def pin(self, uri: str, identity: dict, key: str) -> str | None:
        """Return None: a file's name is looked at now."""
        return None

    def fetch(self, checkpoint: Checkpoint, destination: Path) -> None:
        """Link to the file.

        A copy would cost gigabytes. Every launch checks that the link still leads to that content.
        """
        destination.symlink_to(checkpoint.location)
