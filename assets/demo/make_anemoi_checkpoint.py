#!/usr/bin/env python3
"""Write a checkpoint that anemoi-inference runs.

Models are TinyCast with the weights that train.py saved; persistence; and, as a temporal downscaler, linear
interpolation from 12 to 6 hours. A checkpoint is PyTorch's archive of the whole model, which names the model's class in
tinycast.py and does not hold its code, and anemoi's metadata as JSON: variables, grid, timestep, and the versions of
Python and of the packages that were loaded here. evalflow builds the model's environment from these versions.

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
from tinycast import Interpolation, Persistence

GRID = [1.25, 2.5]  # degrees of latitude and longitude between points
AREA = [60.0, -122.5, 20.0, -70.0]  # north, west, south, east
POINTS = 33 * 22
ANALYSES = 25  # in blizzard-1996-01.grib
STATES = 2  # that a model starts from


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
    everything = list(range(len(variables)))
    indices = {"full": everything, "prognostic": everything, "forcing": [], "diagnostic": []}
    hours = int(TIMESTEP.total_seconds()) // 3600
    data = {"timestep": f"{hours}h", "frequency": f"{hours}h", "forcing": [], "diagnostic": []}
    training = {"multistep_input": STATES, "precision": "32"}
    if name == "interpolation":
        data["timestep"] = f"{2 * hours}h"
        training["explicit_times"] = {"input": [0, 2], "target": [1, 2]}  # in units of the frequency
    return {
        "version": "1.0",
        "run_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"evalflow-demo/{name}")),
        "task": "temporal_downscaler" if name == "interpolation" else "forecaster",
        "config": {"training": training, "data": data, "dataloader": {}},
        "data_indices": {part: {"input": indices, "output": indices} for part in ("data", "model")},
        "dataset": {
            "variables": variables,
            "variables_metadata": {variable_name(channel): {"mars": mars_keys(channel)} for channel in CHANNELS},
            "shape": [ANALYSES, len(variables), 1, POINTS],
            "data_request": {"grid": GRID, "area": AREA},
        },
        "provenance_training": gather_provenance_info(),
    }


@click.command(help=__doc__)
@click.argument("model", type=click.Choice(["tinycast", "persistence", "interpolation"]))
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--weights", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What train.py wrote, for tinycast."
)
def main(model: str, output: Path, weights: Path | None) -> None:
    if (weights is not None) != (model == "tinycast"):
        raise click.UsageError("tinycast needs --weights, the other models have none")
    network = load_model(weights) if weights else {"persistence": Persistence, "interpolation": Interpolation}[model]()
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    # Opened here, so that PyTorch does not name the folder in the archive after the temporary file.
    with open(temporary, "wb") as file:
        torch.save(network, file)
    save_metadata(temporary, make_metadata(model))
    temporary.replace(output)
    print(f"{output}: {output.stat().st_size} bytes, {type(network).__name__}, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
