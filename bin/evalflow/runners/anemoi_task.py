"""Whether an anemoi checkpoint can make what a run asks for: its task and its time step."""

from collections.abc import Mapping
from typing import Any

from evalflow.runners.anemoi_output import as_hours
from evalflow.runners.base import Asked, listed

_FORECASTERS = {None, "default", "auto", "simple", "parallel", "forecaster"}
"""Runners of anemoi-inference that make one time step after the other."""


def _mapping(data: object) -> Mapping:
    return data if isinstance(data, Mapping) else {}


def kind_of_task(metadata: dict) -> str | None:
    """Return what a checkpoint was trained for: forecaster, temporal_downscaler, or None if unknown.

    New checkpoints say it in `metadata_inference`, older ones by the class that trained them.
    """
    config = _mapping(metadata.get("config"))
    said = [
        _mapping(metadata.get("metadata_inference")).get("task"),
        metadata.get("task"),
        _mapping(config.get("task")).get("_target_"),
        _mapping(config.get("training")).get("model_task"),
    ]
    for text in said:
        name = text.rsplit(".", 1)[-1].lower().replace("_", "") if isinstance(text, str) else ""
        if "interpolator" in name or "temporaldownscaler" in name:
            return "temporal_downscaler"
        if "forecaster" in name:
            return "forecaster"
    return None


def _timesteps(metadata: dict) -> Mapping:
    """Return `timesteps` of the first dataset of a new checkpoint."""
    about = _mapping(metadata.get("metadata_inference"))
    return next((found for one in about.values() if (found := _mapping(_mapping(one).get("timesteps")))), {})


def _time_step(metadata: dict) -> float | None:
    data = _mapping(_mapping(metadata.get("config")).get("data"))
    return as_hours(_timesteps(metadata).get("timestep") or data.get("timestep"))


def _window(metadata: dict) -> tuple[float, float] | None:
    """Return the time from one input of a downscaler to the next, and between its lead times."""
    config = _mapping(metadata.get("config"))
    explicit = _mapping(_mapping(config.get("training")).get("explicit_times"))
    inputs: Any = _timesteps(metadata).get("input_relative_date_indices") or explicit.get("input")
    between = _mapping(config.get("task")).get("output_timestep") or _mapping(config.get("data")).get("frequency")
    hours = as_hours(between)
    if not isinstance(inputs, list) or len(inputs) != 2 or not all(isinstance(one, int) for one in inputs):
        return None
    return (hours * (inputs[1] - inputs[0]), hours) if hours and inputs[1] > inputs[0] else None


def _off_grid(lead_times: list[int | float], step: float) -> list[int | float]:
    return [lead for lead in lead_times if abs(lead / step - round(lead / step)) > 1e-6]


def _unfit_downscaler(metadata: dict, asked: Asked) -> list[str]:
    window = _window(metadata)
    if window is None:
        return []
    length, between = window
    whole = int(asked.lead_times[-1] / length + 1e-6) * length
    lacking = _off_grid(asked.lead_times, between)
    lacking += [lead for lead in asked.lead_times if lead > whole + 1e-6 and lead not in lacking]
    if lacking:
        what = f"makes a field every {between:g} h, in whole windows of {length:g} h"
        return [f"{what}, and steps ask for {listed(sorted(lacking))}; allowed: steps that fit"]
    read = [number * length for number in range(round(whole / length) + 1)]
    given = asked.forecaster_lead_times
    absent = [lead for lead in read if given and all(abs(lead - one) > 1e-6 for one in given)]
    if absent:
        what = f"reads its forecaster every {length:g} h, and the forecaster's steps lack {listed(absent)}"
        return [f"{what}; allowed: steps of the forecaster with all of these"]
    return []


def unfit(metadata: dict, asked: Asked) -> list[str]:
    """Return why a checkpoint cannot make what is asked of it, or nothing.

    Parameters
    ----------
    metadata : what the checkpoint says of itself
    asked : what a run asks for
    """
    if asked.patched:
        return []
    kind = kind_of_task(metadata)
    if kind is not None and kind != asked.model_type:
        return [f"was trained as a {kind}, and stands in {asked.model_type}; allowed: an entry {kind}"]
    if asked.model_type == "temporal_downscaler":
        return _unfit_downscaler(metadata, asked)
    step = _time_step(metadata) if kind is not None or asked.own_runner in _FORECASTERS else None
    lacking = _off_grid(asked.lead_times, step) if step else []
    if lacking:
        return [
            f"makes a field every {step:g} h, and steps ask for {listed(lacking)}; allowed: multiples of {step:g} h"
        ]
    return []


def asked_of(config: dict) -> tuple[bool, str | None]:
    """Return whether an inference config patches the checkpoint's metadata, and its own runner."""
    runner = config.get("runner")
    name = next(iter(runner), None) if isinstance(runner, dict) else runner
    return bool(config.get("patch_metadata")), name if isinstance(name, str) else None
