"""Station tables and commands that print them, as the config names them."""

from pathlib import Path

from evalflow.fields.arrays.cf import Told
from evalflow.fields.observations.command import open_command
from evalflow.fields.observations.files import open_tables
from evalflow.fields.observations.stations import StationArchive
from evalflow.fields.specs import TruthSpec


def archive(truth: TruthSpec) -> StationArchive:
    """Return the observations of files or of a command."""
    told = Told(truth.columns, truth.units)
    if truth.command:
        return open_command(truth.command, told, truth.stations)
    return open_tables(Path(truth.root or ""), truth.pattern, told, truth.stations)
