"""An experiment, read and named: what it consists of, before anybody looks into the store."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from evalflow.config.model import ConfigModel, load_config
from evalflow.errors import UserError
from evalflow.identity import Run, master_hash
from evalflow.lookup import Lookup
from evalflow.plan.names import StoredNames
from evalflow.plan.options import Options
from evalflow.runs import collect_all_envs, collect_all_runs
from evalflow.store.layout import data_folder, init_time_name, runs_folder
from evalflow.texts import names_variable, show
from evalflow.yamlio import read_text


@dataclass(frozen=True)
class Experiment:
    """An experiment with the identities of its parts.

    Attributes
    ----------
    path, text : the config and what it holds
    config : what it says
    lookup : where relative paths are looked up
    outdir : root of all output
    experiment_id : name of its results
    runs : run_id → run, dependencies before those that need them
    envs : env_id → the runs that use this environment
    init_times : `YYYYmmddHHMM`, UTC
    warnings : names of checkpoints that could not be resolved, a line each
    """

    path: Path
    text: str
    config: ConfigModel
    lookup: Lookup
    outdir: Path
    experiment_id: str
    runs: dict[str, Run]
    envs: dict[str, list[Run]]
    init_times: list[str]
    warnings: list[str]

    @property
    def data(self) -> Path:
        """The store."""
        return data_folder(self.outdir)


def output_folder(config: ConfigModel, lookup: Lookup, outdir: Path | None) -> Path:
    """Return the absolute root of all output.

    A relative `locations.output_root` that exists is looked up like any other path; a new one is
    made in the launch folder.
    """
    if outdir is not None:
        return Path(os.path.abspath(lookup.launch / outdir))
    name = str(config.locations.output_root)
    return Path(os.path.abspath(lookup.find(name) or lookup.launch / os.path.expanduser(name)))


def _check_folder(folder: Path, key: str) -> None:
    """Check that a folder is there or can be made.

    No file may be on the way to it, and Nextflow must be able to link to it.
    """
    if re.search(r"\{.*(,|\.\.).*\}", str(folder)):
        raise UserError(
            f"{key}: {show(str(folder))} holds braces, which Nextflow's scripts expand; name another folder"
        )
    if names_variable(str(folder)):
        raise UserError(
            f"{key}: {show(str(folder))} holds a $, which Nextflow's scripts take for a variable; write the path out"
        )
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not os.path.isdir(there):
        raise UserError(f"{key}: {there}: is not a folder; name one, or a place where one can be made")


def _experiment_id(label: str, hash_part: str) -> str:
    """Return the experiment_id: fit to be the name of a folder and a word of a command line."""
    # A config_label is never longer; the name of a config file may be.
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", label).lstrip(".-")[:200]
    return f"{name or 'experiment'}_{hash_part}"


def read_experiment(path: Path, options: Options) -> Experiment:
    """Read the experiment's config and name its parts.

    Raises
    ------
    UserError
        Where the config is wrong, something that it points at is missing, or two things would share
        an id.
    """
    path = Path(os.path.abspath(options.launch / path))
    config = load_config(path)
    lookup = Lookup(path.parent, options.launch)
    outdir = output_folder(config, lookup, options.outdir)
    if options.stub:
        outdir = outdir / "stub"
    _check_folder(runs_folder(data_folder(outdir)), "locations.output_root" if options.outdir is None else "--outdir")
    names = StoredNames(data_folder(outdir))
    runs = collect_all_runs(config, lookup, names.resolve)
    return Experiment(
        path=path,
        text=read_text(path),
        config=config,
        lookup=lookup,
        outdir=outdir,
        experiment_id=_experiment_id(config.config_label or path.stem, master_hash(config, runs, lookup)),
        runs=runs,
        envs=collect_all_envs(runs),
        init_times=[init_time_name(time) for time in config.init_times()],
        warnings=list(names.warnings.values()),
    )
