"""Fetch the checkpoint of an environment."""

from evalflow.checkpoints.metadata import read_metadata
from evalflow.checkpoints.providers import provider_of
from evalflow.digests import file_digest
from evalflow.environment.spec import EnvironmentSpec
from evalflow.errors import UserError, changed_since_planned
from evalflow.runners.registry import runner_named
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
        Where the checkpoint is not (or no longer) what was planned, or cannot make what runs ask
        of it.
    """
    folder = spec.folder
    checkpoint = spec.checkpoint
    final = folder / CHECKPOINT
    with new_in_store(final) as temporary:
        provider_of(checkpoint.uri, "checkpoint").fetch(checkpoint, temporary)
        if checkpoint.sha256 and file_digest(temporary) != checkpoint.sha256:
            raise changed_since_planned(checkpoint.location)
        metadata = read_metadata(temporary, checkpoint.uri)
        runner = runner_named(spec.runner)
        wrong = [
            f"{asked.key}.checkpoint: {checkpoint.uri}: {what}"
            for asked in spec.asked
            for what in runner.unfit(metadata, asked)
        ]
        if wrong:
            raise UserError("\n".join(dict.fromkeys(wrong)))
    write_new(folder / METADATA, to_json(metadata))
