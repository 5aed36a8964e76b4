"""What names of checkpoints mean where the network is away: what they meant when they were stored."""

from dataclasses import replace
from pathlib import Path

from evalflow.checkpoints.base import Checkpoint
from evalflow.checkpoints.providers import provider_of
from evalflow.checkpoints.remote import Unreachable
from evalflow.errors import UserError
from evalflow.lookup import Lookup
from evalflow.runs import resolve_checkpoint
from evalflow.store.files import read_json
from evalflow.store.layout import ENVIRONMENT_SEAL, runs_folder


class StoredNames:
    """Resolves names of checkpoints, of the newest environment in the store where it must.

    Attributes
    ----------
    warnings : key → which name could not be resolved, and what is taken for it
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        self.warnings: dict[str, str] = {}

    def resolve(self, uri: str, lookup: Lookup, key: str) -> Checkpoint:
        """Return what a name means now, or what it meant when it was last stored.

        Raises
        ------
        UserError
            Where no server can be asked and the store does not know the name.
        """
        try:
            return resolve_checkpoint(uri, lookup, key)
        except Unreachable as error:
            cure = "a name with a commit or a version needs no network"
            known = self._stored(uri, lookup, key)
            if known is None:
                raise UserError(f"{error}; nothing is stored of this name, and {cure}") from None
            self.warnings[key] = f"{error}; taken for {known.location}, as when it was stored; {cure}"
            return known

    def _stored(self, uri: str, lookup: Lookup, key: str) -> Checkpoint | None:
        seals = [
            read_json(path) for path in runs_folder(self.data).glob(f"*/{ENVIRONMENT_SEAL}") if ".bad-" not in str(path)
        ]
        found = [
            seal for seal in seals if seal and seal.get("checkpoint") == uri and isinstance(seal.get("identity"), dict)
        ]
        for seal in sorted(found, key=lambda seal: str(seal.get("made")), reverse=True):
            identity = seal["identity"].get("checkpoint")
            provider = provider_of(uri, key)
            pinned = provider.pin(uri, identity, key) if isinstance(identity, dict) else None
            if pinned is None:
                continue
            checkpoint = provider.resolve(pinned, lookup, key)  # without the network: it cannot move
            if checkpoint.identity == identity:
                return replace(checkpoint, uri=uri)
        return None
