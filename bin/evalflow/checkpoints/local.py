"""Checkpoints that are files on this machine or on its file systems."""

import os
from pathlib import Path

from evalflow.checkpoints.base import Checkpoint
from evalflow.digests import file_digest
from evalflow.errors import UserError
from evalflow.lookup import Lookup


class LocalFile:
    """A checkpoint named by path.

    Its identity is its content. The digest is cached for as long as the file is not touched.
    """

    def accepts(self, uri: str) -> bool:
        """Return whether `uri` means this provider."""
        return "://" not in uri

    def resolve(self, uri: str, lookup: Lookup, key: str) -> Checkpoint:
        """Return what `uri` means now."""
        path = Path(os.path.abspath(lookup.require(uri, key)))
        try:
            sha256 = file_digest(path)
        except UserError as error:
            raise UserError(f"{key}: {error}") from None
        return Checkpoint(uri, {"sha256": sha256}, sha256[:4], str(path), path.stat().st_size, sha256)

    def fetch(self, checkpoint: Checkpoint, destination: Path) -> None:
        """Link to the file.

        A copy would cost gigabytes. Every launch checks that the link still leads to that content.
        """
        destination.symlink_to(checkpoint.location)
