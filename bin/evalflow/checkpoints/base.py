"""Where checkpoints come from: a provider resolves a name to an immutable thing, and fetches it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evalflow.lookup import Lookup


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as it is named now.

    Attributes
    ----------
    uri : the name, as the config has it
    identity : what is meant, whatever it is called tomorrow (content digest, or version in a
        registry); JSON-like
    model_id : four characters for people, part of the env_id
    location : what `fetch` needs to get it (absolute path, URL)
    size : bytes, where known
    sha256 : 64 hex digits, where known
    """

    uri: str
    identity: dict
    model_id: str
    location: str
    size: int | None = None
    sha256: str | None = None


class Provider(Protocol):
    """One kind of place that holds checkpoints."""

    def accepts(self, uri: str) -> bool:
        """Return whether `uri` means this provider."""

    def resolve(self, uri: str, lookup: Lookup, key: str) -> Checkpoint:
        """Return what `uri` means now; only names that can move ("latest") need the network."""

    def pin(self, uri: str, identity: dict, key: str) -> str | None:
        """Return the name that means `identity` for good, of a name that can move; else None."""

    def fetch(self, checkpoint: Checkpoint, destination: Path) -> None:
        """Make `destination` (a temporary path, still free) a file or link with the checkpoint."""
