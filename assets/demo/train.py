#!/usr/bin/env python3
"""Train TinyCast on the storm analyses before the demo's period, and print its skill in the demo's period.

Analyses 0 to 33 train, 38 to 62 (those in blizzard-1996-01.grib) are held out. The loss is the squared error of two
consecutive steps, the second at half weight. The same seed and number of threads give the same weights.

Needs click, eccodes, netCDF4, numpy and torch; one or two minutes on a CPU.
"""

import os
from pathlib import Path

import click
import numpy as np
import torch
from make_grib import CHANNELS, DEBIAN_FOLDER, read_analyses
from tinycast import TinyCast

TRAINING_TIMES = slice(0, 33)  # what means and deviations are taken from
HELD_OUT_TIMES = range(38, 63)
STEP_HOURS = 6
LONGEST_REGULAR_STEP = 520.0  # Pa: a larger RMS change of sea-level pressure shows a gap in the series
BATCH_SIZE = 8


def is_regular_step(analyses: np.ndarray, index: int) -> bool:
    """Tell whether analyses `index` and `index` + 1 are whole and as similar as analyses six hours apart are."""
    pair = analyses[index : index + 2]
    if np.isnan(pair).any():
        return False
    pressure_change = pair[1, 0] - pair[0, 0]
    return bool(np.sqrt(np.mean(pressure_change**2)) < LONGEST_REGULAR_STEP)


def training_indices(analyses: np.ndarray) -> list[int]:
    """Return each index whose steps from the analysis before and to the analysis after are regular."""
    inner = range(TRAINING_TIMES.start + 1, TRAINING_TIMES.stop)
    return [index for index in inner if is_regular_step(analyses, index - 1) and is_regular_step(analyses, index)]


def build_model(analyses: np.ndarray, indices: list[int]) -> TinyCast:
    """Return an untrained model scaled to `analyses` (time, variables, rows, columns)."""
    over_points = (0, 2, 3)
    mean = np.nanmean(analyses[TRAINING_TIMES], axis=over_points)
    deviation = np.nanstd(analyses[TRAINING_TIMES], axis=over_points)
    increments = np.stack([analyses[index + 1] - analyses[index] for index in indices])
    increment_deviation = np.std(increments, axis=over_points) / deviation
    rows, columns = analyses.shape[2:]
    return TinyCast(rows, columns, mean, deviation, increment_deviation)


def standardise(model: TinyCast, analyses: np.ndarray) -> torch.Tensor:
    """Return `analyses` (time, variables, rows, columns) in the model's standardised units."""
    mean, deviation = model.mean.numpy()[0], model.deviation.numpy()[0]
    return torch.tensor((analyses - mean) / deviation, dtype=torch.float32)


def train(model: TinyCast, states: torch.Tensor, indices: list[int], steps: int, offset_noise: float) -> None:
    """Fit `model` in place to two consecutive steps from each of `indices`.

    Parameters
    ----------
    states : (time, variables, rows, columns), standardised, south to north
    indices : analyses from which a regular step was made and follows
    steps : optimiser steps; the learning rate rises and falls once over them
    offset_noise : deviation, in standardised units, of a random offset that is added to each input field
    """
    starts = torch.tensor([index for index in indices if index + 1 in indices])
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    model.train()
    for number in range(1, steps + 1):
        batch = starts[torch.randperm(len(starts))[:BATCH_SIZE]]
        offset = offset_noise * torch.randn(len(batch), states.shape[1], 1, 1)
        previous, current = states[batch - 1] + offset, states[batch] + offset
        first = model.step(previous, current)
        second = model.step(current, first)
        first_loss = torch.mean(((first - states[batch + 1]) / model.increment_deviation) ** 2)
        second_loss = torch.mean(((second - states[batch + 2]) / model.increment_deviation) ** 2)
        loss = first_loss + 0.5 * second_loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if number % 100 == 0 or number == steps:
            print(f"step {number} of {steps}: loss {loss.item():.3f}", flush=True)
    model.eval()


@torch.no_grad()
def held_out_rmse(model: TinyCast, analyses: np.ndarray, lead_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the RMSE of the model and of persistence over the held-out times; all grid points weigh the same.

    Parameters
    ----------
    analyses : (time, variables, rows, columns), physical units, south to north
    lead_steps : lead time, in steps of six hours

    Returns
    -------
    two arrays (variables,), physical units
    """
    states = standardise(model, analyses)
    model_errors, persistence_errors = [], []
    for index in HELD_OUT_TIMES[1:-lead_steps]:
        previous, current = states[index - 1, None], states[index, None]
        for _ in range(lead_steps):
            previous, current = current, model.step(previous, current)
        forecast = (current * model.deviation + model.mean).numpy()[0]
        model_errors.append(forecast - analyses[index + lead_steps])
        persistence_errors.append(analyses[index] - analyses[index + lead_steps])
    model_rmse, persistence_rmse = (
        np.sqrt(np.mean(np.stack(errors) ** 2, axis=(0, 2, 3))) for errors in (model_errors, persistence_errors)
    )
    return model_rmse, persistence_rmse


@click.command(help=__doc__)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=DEBIAN_FOLDER,
    show_default=True,
    help="Folder with the storm files.",
)
@click.option("--steps", type=click.IntRange(min=2), default=600, show_default=True, help="Optimiser steps.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random numbers.")
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="CPU threads.")
@click.option(
    "--offset-noise",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Deviation of a random offset to each input field, in standardised units.",
)
def main(output: Path, folder: Path, steps: int, seed: int, threads: int, offset_noise: float) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    # The network's rows run from south to north.
    analyses = np.ascontiguousarray(read_analyses(folder).values[:, :, ::-1])
    indices = training_indices(analyses)
    model = build_model(analyses, indices)
    train(model, standardise(model, analyses), indices, steps, offset_noise)

    print("held-out RMSE, model / persistence:", *(channel.short_name for channel in CHANNELS))
    for lead_steps in (1, 2, 4):
        pairs = zip(*held_out_rmse(model, analyses, lead_steps), strict=True)
        print(f"{lead_steps * STEP_HOURS:3} h:", *(f"{rmse:.1f}/{reference:.1f}" for rmse, reference in pairs))

    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    torch.save({"rows": model.rows, "columns": model.columns, "state": model.state_dict()}, temporary)
    temporary.replace(output)


if __name__ == "__main__":
    main()
