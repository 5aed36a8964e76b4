#!/usr/bin/env python3
"""Write a checkpoint that anemoi-inference runs: TinyCast with the weights that train.py saved, or persistence.

A checkpoint is PyTorch's archive of the whole model, which names the model's class (tinycast.TinyCast or
tinycast.Persistence) and does not hold its code, and anemoi's metadata as JSON: variables, grid, timestep, and the versions
of Python and of the packages that were loaded here. evalflow builds the model's environment from these versions.

Needs anemoi-inference, click, eccodes, netCDF4, numpy and torch. Run it with the Python and the PyTorch that the
checkpoint's environment is to have.
"""

import os
import uuid
from pathlib import Path

import click
import torch
from anemoi.utils.checkpoints import save_metadata
from anemoi.utils.provenance import gather_provenance_info
from export_onnx import load_model
from make_grib import CHANNELS, TIMESTEP, Channel
from tinycast import Persistence

GRID = [1.25, 2.5]  # degrees of latitude and longitude between points
AREA = [60.0, -122.5, 20.0, -70.0]  # north, west, south, east
POINTS = 33 * 22
ANALYSES = 25  # in blizzard-1996-01.grib
STATES = 2  # that the model starts from
PROVENANCE = ("python", "module_versions", "distribution_names", "git_versions")


def variable_name(channel: Channel) -> str:
    """Return anemoi's name of a variable: a GRIB short name, with the level where there is one."""
    return channel.short_name if channel.level is None else f"{channel.short_name}_{channel.level}"


def mars_keys(channel: Channel) -> dict:
    """Return the MARS keys by which anemoi-inference finds a variable."""
    if channel.level is None:
        return {"param": channel.short_name, "levtype": "sfc"}
    return {"param": channel.short_name, "levtype": "pl", "levelist": channel.level}


def make_metadata(name: str) -> dict:
    """Return the metadata of a checkpoint, as anemoi-training writes it for a model that predicts all that it reads."""
    variables = [variable_name(channel) for channel in CHANNELS]
    hours = f"{int(TIMESTEP.total_seconds()) // 3600}h"
    everything = list(range(len(variables)))
    indices = {"full": everything, "prognostic": everything, "forcing": [], "diagnostic": []}
    provenance = gather_provenance_info()
    return {
        "version": "1.0",
        "run_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"evalflow-demo/{name}")),
        "task": "forecaster",
        "config": {
            "training": {"multistep_input": STATES, "precision": "32"},
            "data": {"timestep": hours, "frequency": hours, "forcing": [], "diagnostic": []},
            "dataloader": {},
        },
        "data_indices": {part: {"input": indices, "output": indices} for part in ("data", "model")},
        "dataset": {
            "variables": variables,
            "variables_metadata": {variable_name(channel): {"mars": mars_keys(channel)} for channel in CHANNELS},
            "shape": [ANALYSES, len(variables), 1, POINTS],
            "data_request": {"grid": GRID, "area": AREA},
        },
        # Without the time: the same model made again is the same file.
        "provenance_training": {key: provenance[key] for key in PROVENANCE},
    }


@click.command(help=__doc__)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What train.py wrote. Left out: persistence.",
)
def main(output: Path, weights: Path | None) -> None:
    model = load_model(weights) if weights else Persistence()
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    # Opened here, so that PyTorch does not name the folder in the archive after the temporary file.
    with open(temporary, "wb") as file:
        torch.save(model, file)
    save_metadata(temporary, make_metadata(type(model).__name__))
    temporary.replace(output)
    print(f"{output}: {output.stat().st_size} bytes, {type(model).__name__}, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
