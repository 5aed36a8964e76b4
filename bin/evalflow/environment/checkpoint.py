"""Fetch the checkpoint of an environment."""

from evalflow.checkpoints.metadata import read_metadata
from evalflow.checkpoints.providers import provider_of
from evalflow.digests import file_digest
from evalflow.environment.spec import EnvironmentSpec
from evalflow.errors import changed_since_planned
from evalflow.store.files import new_in_store, to_json, write_new
from evalflow.store.layout import CHECKPOINT, METADATA


def get_checkpoint(spec: EnvironmentSpec) -> None:
    """Put the checkpoint and its metadata into an environment's folder.

    Parameters
    ----------
    spec : the environment as the plan has it; `spec.folder` is `{store}/runs/{env_id}`

    Raises
    ------
    UserError
        Where the checkpoint is not (or no longer) what was planned.
    """
    folder = spec.folder
    checkpoint = spec.checkpoint
    final = folder / CHECKPOINT
    with new_in_store(final) as temporary:
        provider_of(checkpoint.uri, "checkpoint").fetch(checkpoint, temporary)
        if checkpoint.sha256 and file_digest(temporary) != checkpoint.sha256:
            raise changed_since_planned(checkpoint.location)
        metadata = read_metadata(temporary, checkpoint.uri)
    write_new(folder / METADATA, to_json(metadata))
