"""What cannot be made is refused before anything is built: one line for each mistake."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from evalflow.checkpoints.metadata import read_metadata
from evalflow.errors import UserError
from evalflow.identity import Run
from evalflow.lookup import Lookup
from evalflow.runners.base import Asked
from evalflow.runners.registry import runner_named
from evalflow.store.files import read_json
from evalflow.store.layout import METADATA, environment_folder

_INTERPRETER = re.compile(r"(?:\{python\}|python[0-9.]*|bash|sh|dash|zsh|ksh|Rscript|julia|perl|node)")
_NOT_A_FILE = {"-c", "-m", "-e"}
"""Options of interpreters after which no script follows."""


def asked_of(run: Run) -> Asked:
    """Return what a run asks of its checkpoint."""
    patched, own_runner = runner_named(run.config.runner).asked_of(run.inference.located)
    return Asked(
        key=run.keys[0],
        model_type=run.model_type,
        lead_times=run.config.lead_times(),
        forecaster_lead_times=run.forecaster.config.lead_times() if run.forecaster else [],
        patched=patched,
        own_runner=own_runner,
    )


def _metadata(run: Run, data: Path) -> dict | None:
    """Return what a checkpoint says of itself, where that is known without a download."""
    stored = read_json(environment_folder(data, run.env_id) / METADATA)
    if stored is not None:
        return stored
    if run.checkpoint.sha256 is None or not os.path.isfile(run.checkpoint.location):
        return None
    try:
        return read_metadata(Path(run.checkpoint.location), run.checkpoint.uri)
    except UserError:  # GET_CHECKPOINT says it
        return None


def _script(words: list[str]) -> str | None:
    """Return the script that a command gives to an interpreter, where it does."""
    if not _INTERPRETER.fullmatch(os.path.basename(words[0])):
        return None
    for word in words[1:]:
        if word in _NOT_A_FILE:
            return None
        if not word.startswith("-"):
            return word if "{" not in word and re.search(r"/|\.\w+$", word) else None
    return None


def _problems_of_command(words: list[str], lookup: Lookup) -> Iterator[str]:
    """Yield what is missing of a command whose files are located."""
    script, program = _script(words), words[0]
    for kind, name in (("script", script), ("program", program if "/" in program and "{" not in program else None)):
        if name is None:
            continue
        path = Path(name)
        if not path.is_absolute() or not path.exists():
            tried = ", ".join(str(place) for place in lookup.candidates(name))
            yield f"no such {kind}: {name} (looked for {tried})"
        elif kind == "program" and not (path.is_file() and os.access(path, os.X_OK)):
            yield f"{name}: is no program that may be executed; allowed: after chmod +x, or behind its interpreter"


def _doubts_of_command(run: Run) -> Iterator[str]:
    program = run.command.located[0]
    installs = run.requirements["requirements"] or run.requirements["extra_requirements"]
    if "/" in program or "{" in program or installs or _INTERPRETER.fullmatch(program) or shutil.which(program):
        return
    yield f"{program}: no such program on PATH here, and no requirements that could install it; allowed: its path"


def refuse_impossible(runs: Iterable[Run], data: Path, lookup: Lookup) -> list[str]:
    """Check that the forecasts of runs can be made; return doubts, a line each.

    Parameters
    ----------
    runs : those of which something is to be made
    data : the store
    lookup : where relative paths of the config are looked up

    Raises
    ------
    UserError
        With one line for each reason why a forecast would not be whole.
    """
    wrong: list[str] = []
    doubts: list[str] = []
    for run in runs:
        key, runner, config = run.keys[0], runner_named(run.config.runner), run.inference.located
        wrong += [f"{key}.config: {name}: {what}" for name, what in runner.mistakes(config, run.config.lead_times())]
        doubts += [f"{key}.config: {name}: {what}" for name, what in runner.doubts(config)]
        metadata = _metadata(run, data)
        if metadata is not None:
            wrong += [
                f"{key}.checkpoint: {run.checkpoint.uri}: {what}" for what in runner.unfit(metadata, asked_of(run))
            ]
        if run.command.located:
            wrong += [f"{key}.command: {what}" for what in _problems_of_command(run.command.located, lookup)]
            doubts += [f"{key}.command: {what}" for what in _doubts_of_command(run)]
    if wrong:
        raise UserError("\n".join(dict.fromkeys(wrong)))
    return doubts
