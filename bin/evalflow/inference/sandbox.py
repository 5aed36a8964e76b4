"""A sandbox: everything to run one model by hand, in a zip."""

import io
import os
import re
import shlex
import stat
import zipfile
from pathlib import Path
from urllib.parse import unquote

from evalflow.config.inputs import Keys, replace_texts
from evalflow.environment.mount import DEFINITIONS
from evalflow.errors import UserError
from evalflow.fields.grib.variables import OF_OTHERS
from evalflow.identity import flat_id
from evalflow.inference.spec import Resources, RunSpec
from evalflow.lookup import PROJECT
from evalflow.requirements import read_lock
from evalflow.runners.base import ForecastRequest
from evalflow.runners.registry import runner_named
from evalflow.store.layout import FORECASTER, init_time_of
from evalflow.yamlio import dump_yaml, parse_yaml

_SMALL = 20 * 1024 * 1024
"""Bytes up to which a file that the inference config or the command names goes into the sandbox."""
_TIME = (1980, 1, 1, 0, 0, 0)  # the same run gives the same zip
_MAKE_ENVIRONMENT = """#!/usr/bin/env bash
# Make the environment of this run in .venv.
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
command -v uv >/dev/null || {{ echo "uv is not on PATH; install it (pip install uv)" >&2; exit 1; }}
uv venv --no-project --clear --python {python} .venv
uv pip sync --python .venv/bin/python{options} requirements.txt
"""
_RUN_FORECAST = """#!/usr/bin/env bash
# Make one forecast, as evalflow does; what the model writes goes to output/.
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
export PATH="$PWD/.venv/bin:$PATH" PYTHONNOUSERSITE=1
unset PYTHONPATH PYTHONHOME {unset}
[[ -x .venv/bin/python ]] || {{ echo "no environment; run ./make_environment.sh first" >&2; exit 1; }}
{definitions}mkdir -p output
cd output
for name in resources {forecaster}; do
  if [[ -d ../$name ]]; then ln -sfn "../$name" "$name"; fi
done
exec {command}
""".replace("{unset}", " ".join(OF_OTHERS))
_DEFINITIONS = f"""if [[ -d .venv/{DEFINITIONS} ]]; then
  export ECCODES_DEFINITION_PATH="$PWD/.venv/{DEFINITIONS}"
fi
"""


class _Zip:
    """A zip with one folder in it, whose entries have fixed times."""

    def __init__(self, file: io.BufferedIOBase, folder: str) -> None:
        self.folder = folder
        self.archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self.copies: dict[tuple[str, Path], str] = {}

    def _info(self, name: str, mode: int) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(f"{self.folder}/{name}", _TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = mode << 16
        return info

    def text(self, name: str, text: str, executable: bool = False) -> None:
        self.archive.writestr(self._info(name, stat.S_IFREG | (0o755 if executable else 0o644)), text)

    def link(self, name: str, target: str) -> None:
        self.archive.writestr(self._info(name, stat.S_IFLNK | 0o777), target)

    def file(self, name: str, path: Path) -> None:
        mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
        with (
            open(path, "rb") as source,
            self.archive.open(self._info(name, stat.S_IFREG | mode), "w", force_zip64=True) as target,
        ):
            while block := source.read(1 << 22):
                target.write(block)

    def copy(self, folder: str, path: Path) -> str:
        """Copy a file into a folder, once, and return its place.

        Another file of the same name gets a folder of its own.
        """
        if (folder, path) not in self.copies:
            place, number = f"{folder}/{path.name}", 1
            while f"{self.folder}/{place}" in self.archive.namelist():
                number += 1
                place = f"{folder}/{number}/{path.name}"
            self.copies[folder, path] = place
            self.file(place, path)
        return self.copies[folder, path]


def _add_resources(resources: Resources, archive: _Zip) -> dict[str, str]:
    """Write a model's `resources/` into the sandbox; return path → place of the copies."""
    places = {}
    for name, target in resources.linked.items():
        if os.path.isfile(target) and os.path.getsize(target) <= _SMALL:
            places[target] = f"resources/{name}"
            archive.file(places[target], Path(target))
    for name, text in resources.rewritten.items():
        archive.text(f"resources/{name}", text)
    return places


def _is_small_file(text: str) -> bool:
    return os.path.isabs(text) and os.path.isfile(text) and os.path.getsize(text) <= _SMALL


def _gather(config: dict, archive: _Zip, places: dict[str, str]) -> dict:
    """Return the config with small named files replaced by their copies in the sandbox.

    Those at `places` are there already.
    """

    def change(text: str, _keys: Keys) -> str:
        if text in places:
            return places[text]
        path = Path(text)
        return (
            archive.copy("resources", path) if _is_small_file(text) and path.suffix not in {".yaml", ".yml"} else text
        )

    return replace_texts(config, change)


def _gather_words(words: list[str], archive: _Zip) -> list[str]:
    """Return a command for the folder `output/` that names the sandbox's copies of files."""
    return [f"../{archive.copy('command', Path(word))}" if _is_small_file(word) else word for word in words]


def _add_packages(lock: str, archive: _Zip) -> str:
    """Copy a lock's local wheels and archives; return the lock with their places."""

    def change(match: re.Match) -> str:
        return f"./{archive.copy('packages', Path(unquote(match[1])))}"

    return re.sub(r"file://(/\S+)", change, lock)


def create_sandbox(spec: RunSpec, checkpoint: Path, lock: Path, init_time: str, output: Path, link: bool) -> None:
    """Write the sandbox of a run.

    Parameters
    ----------
    spec : the run as the plan has it
    checkpoint, lock : files of the run's environment
    init_time : `YYYYmmddHHMM`, the forecast that the sandbox is ready to make
    output : the zip to write
    link : whether the zip holds a link to the checkpoint instead of its bytes
    """
    locked = read_lock(lock)
    if locked is None:
        raise UserError(f"{lock}: not a whole lock file; launch again")
    runner = runner_named(spec.runner)
    date = init_time_of(init_time).strftime("%Y-%m-%dT%H:%M")
    job = ForecastRequest(
        Path("../inference-last.ckpt"), Path("../config.yaml"), Path("."), date, spec.lead_times, spec.step, spec.command,
        forecaster=FORECASTER,
    )  # fmt: skip
    with open(output, "wb") as file:
        archive = _Zip(file, flat_id(spec.run_id))
        with archive.archive:
            words = _gather_words(runner.command(job), archive)
            config = _gather(parse_yaml(spec.config, "the plan"), archive, _add_resources(spec.resources, archive))
            archive.text("config.yaml", dump_yaml({**config, **runner.settings(job)}))
            archive.text("requirements.txt", _add_packages(lock.read_text(encoding="utf-8"), archive))
            backend = spec.torch_backend
            options = "" if backend == "auto" else f" --torch-backend {backend}"
            script = _MAKE_ENVIRONMENT.format(python=locked["python"], options=options)
            archive.text("make_environment.sh", script, executable=True)
            definitions = "" if spec.disable_local_eccodes_definitions else _DEFINITIONS
            run = _RUN_FORECAST.format(command=shlex.join(words), definitions=definitions, forecaster=FORECASTER)
            archive.text("run_forecast.sh", run, executable=True)
            target = os.path.realpath(checkpoint)
            if link:
                archive.link("inference-last.ckpt", target)
            else:
                archive.file("inference-last.ckpt", checkpoint)
            extra = "| `command/` | small files that the command names |\n" if words != runner.command(job) else ""
            if spec.model_type == "temporal_downscaler":
                extra += "| `forecaster/` | make this folder and put the GRIB files to refine into it |\n"
            readme = (PROJECT / "assets" / "sandbox" / "README.md").read_text(encoding="utf-8")
            archive.text(
                "README.md",
                readme.format(
                    run_id=spec.run_id, python=locked["python"], init_time=date, extra=extra,
                    checkpoint=f"link to {target}" if link else "the checkpoint",
                ),
            )  # fmt: skip
