"""Run an ONNX weather model from GRIB analyses and write one GRIB2 file per lead time.

The model's own Python runs this file: it needs onnxruntime, eccodes, numpy and PyYAML, and nothing
of evalflow. The model takes (1, states, grid points, variables) and gives (1, 1, grid points,
variables), float32, in physical units. It runs on the CPU with OMP_NUM_THREADS threads (default 1);
the same number of threads gives the same bits.
"""

import argparse
import datetime as dt
import os
import re
from contextlib import contextmanager
from pathlib import Path

import eccodes
import numpy as np
import yaml

REQUIRED = {"date", "lead_time", "input", "variables", "timestep", "multistep_input"}
DEFAULTS: dict = {"steps": None, "increment_scale": 1.0, "output": {}}
SHAPE = "(1, states, grid points, variables)"
OUTPUT_DEFAULTS = {"path": "grib/{date}{time}_{step:03}.grib", "bits_per_value": 16}


def require(condition, message):
    """Stop with `message` as one line on stderr and exit status 1, unless `condition` holds."""
    if not condition:
        raise SystemExit(f"onnx runner: {' '.join(message.split())}")


@contextmanager
def explained(what):
    """Stop with a line that begins with `what` if a library fails: errors have no common base."""
    try:
        yield
    except Exception as error:
        require(False, f"{what}: {error}")


def parse_time(value):
    """Return the UTC time in `value`: ISO text, or what YAML makes of an unquoted date."""
    text = value.isoformat() if isinstance(value, dt.date) else str(value)
    with explained(f"date: {text!r} is not a time such as 1996-01-16T00:00"):
        time = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (time - (time.utcoffset() or dt.timedelta())).replace(tzinfo=None)


def parse_length(value, key):
    """Return minutes, above 0, from a number of hours or from text such as '24h' or '30m'."""
    match = re.fullmatch(r"([1-9]\d*)\s*([hm]?)", str(value))
    require(match, f"{key}: {value!r} is not a number of hours such as 24 or 24h, or of minutes such as 30m")
    return int(match[1]) * (1 if match[2] == "m" else 60)


def length_text(minutes):
    """Return minutes as text: '6', or '30m' where they are no whole hours."""
    return f"{minutes}m" if minutes % 60 else f"{minutes // 60}"


def parse_leads(steps, lead_time, timestep):
    """Return the leads to write (minutes): `steps`, else every timestep up to `lead_time`."""
    steps = "/".join(map(length_text, (0, lead_time, timestep))) if steps is None else steps
    match = re.fullmatch(r"(\d+m?)/(\d+m?)/([1-9]\d*m?)", str(steps))
    start, end, step = (
        (int(text[:-1]) if text[-1] == "m" else 60 * int(text) for text in match.groups()) if match else (0, -1, 1)
    )
    leads = list(range(start, end + 1, step))
    require(leads, f"steps: {steps!r} is not start/end/step in hours or minutes, such as 0/24/6 or 0/1/10m")
    require(leads[-1] <= lead_time, f"steps: {steps} goes beyond lead_time, {describe(lead_time)}")
    for lead in [*leads, lead_time]:
        require(
            lead % timestep == 0,
            f"lead {describe(lead)} is not a multiple of the model's timestep, {describe(timestep)}",
        )
    return leads


def describe(minutes):
    """Return minutes for people: '6 h', or '30 min'."""
    return f"{minutes} min" if minutes % 60 else f"{minutes // 60} h"


def complete(mapping, name, required, defaults):
    """Return `mapping` with defaults; check that it has all `required` keys and no unknown ones."""
    require(isinstance(mapping, dict), f"{name}: must be a mapping of keys to values")
    for problem, keys in (("unknown", set(mapping) - required - set(defaults)), ("missing", required - set(mapping))):
        require(not keys, f"{name}: {problem} key {', '.join(sorted(map(str, keys)))}")
    return {**defaults, **mapping}


def parse_config(config, folder):
    """Return the checked config.

    `date` is a datetime, `timestep` and `leads` are in minutes, `files` are the paths in `folder`.
    """
    config = complete(config, "config", REQUIRED, DEFAULTS)
    files = complete(config["input"], "input", {"grib"}, {})["grib"]
    files = files if isinstance(files, list) else [files]
    output = complete(config["output"], "output", set(), OUTPUT_DEFAULTS)
    states, scale, bits = config["multistep_input"], config["increment_scale"], output["bits_per_value"]
    for key, texts in {"input.grib": files, "variables": config["variables"], "output.path": [output["path"]]}.items():
        listed = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
        require(listed and len(set(texts)) == len(texts), f"{key}: {texts!r} must be a list of texts, each once")
    require("{step" in output["path"], "output.path: needs {step}, for one file per lead")
    require(type(states) is int and states > 0, f"multistep_input: {states!r} is not a whole number above 0")
    require(type(scale) in (int, float) and 0 <= scale < np.inf, f"increment_scale: {scale!r} is no number from 0 up")
    require(type(bits) is int and 1 <= bits <= 32, f"output.bits_per_value: {bits!r} is not from 1 to 32")
    timestep = parse_length(config["timestep"], "timestep")
    leads = parse_leads(config["steps"], parse_length(config["lead_time"], "lead_time"), timestep)
    located = {"date": parse_time(config["date"]), "files": [folder / name for name in files]}
    return {**config, **output, **located, "timestep": timestep, "leads": leads}


def read_states(files, times, variables):
    """Return the analyses and the GRIB messages of the last of `times`.

    The analyses have the shape (1, times, grid points, variables), float32.
    """
    wanted = {(time, name) for time in times for name in variables}
    stamps = {(int(f"{time:%Y%m%d}"), int(f"{time:%H%M}"), 0): time for time in times}
    values, messages, grids = {}, {}, {}
    for path in files:
        with explained(f"{path}: cannot be read as GRIB"), eccodes.FileReader(path) as reader:
            for message in reader:
                time = stamps.get(tuple(message.get(key, ktype=int) for key in ("dataDate", "dataTime", "step")))
                if time is None:  # before the short name, which takes longer to get
                    continue
                level = f"_{message['level']}" if message["typeOfLevel"] == "isobaricInhPa" else ""
                key = (time, message["shortName"] + level)
                if key not in wanted:
                    continue
                field = f"{key[1]} at {time:%Y-%m-%dT%H:%M} in {path}"
                require(key not in values, f"{field}: found more than once")
                require(message["numberOfMissing"] == 0, f"{field}: has missing values")
                grids.setdefault(message["md5GridSection"], field)
                require(len(grids) == 1, f"on different grids: {' and '.join(grids.values())}")
                values[key] = message.get_array("values").astype("f4")
                if time == times[-1]:
                    messages[key[1]] = message
    missing = [f"{name} at {time:%Y-%m-%dT%H:%M}" for time, name in sorted(wanted - set(values))]
    require(not missing, f"no {', '.join(missing)} in {', '.join(map(str, files))}")
    states = np.stack([np.stack([values[time, name] for name in variables], axis=-1) for time in times])
    return states[None], [messages[name] for name in variables]


def load_model(checkpoint, shape):
    """Return the ONNX model as a function of the states; `shape` is theirs."""
    with explained(f"{checkpoint}: cannot be loaded"):
        import onnxruntime  # here, so that the rest works without it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
        options.use_deterministic_compute = True
        session = onnxruntime.InferenceSession(str(checkpoint), options, providers=["CPUExecutionProvider"])
    inputs, outputs = session.get_inputs(), session.get_outputs()
    require(len(inputs) == len(outputs) == 1, f"{checkpoint}: must have one input and one output")
    takes = inputs[0].shape  # a dimension of any size is no number
    fits = len(takes) == len(shape) and all(type(a) is not int or a == b for a, b in zip(takes, shape, strict=True))
    require(fits, f"{checkpoint}: takes {takes}, but config and analyses give {list(shape)}: {SHAPE}")
    return lambda states: session.run([outputs[0].name], {inputs[0].name: states})[0]


def rollout(predict, states, steps, increment_scale):
    """Yield the last state, then `steps` new ones.

    Each is last + increment_scale * (predict(states) - last), and becomes the last.
    """
    yield states[0, -1]
    for _ in range(steps):
        last = states[:, -1:]
        with explained("the model failed"), np.errstate(all="ignore"):  # `run` refuses what is not finite
            following = predict(states)
            require(following.shape == last.shape, f"the model gives {following.shape}, not {last.shape}: {SHAPE}")
            if increment_scale != 1:
                following = last + np.float32(increment_scale) * (following - last)
        states = np.concatenate([states[:, 1:], following], axis=1)
        yield states[0, -1]


def write_state(path, state, messages, lead, bits):
    """Write `state` (grid points, variables) as clones of `messages`, `lead` minutes later."""
    step = {"stepUnits": "m", "step": lead} if lead % 60 else {"step": lead // 60}
    keys = {"edition": 2, "typeOfGeneratingProcess": 2, **step, "bitmapPresent": 0}
    temporary = path.with_name(f".{path.name}.tmp")
    with explained(f"{path}: cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            for message, values in zip(messages, state.T, strict=True):
                clone = message.copy()
                clone.set({**keys, "bitsPerValue": bits}, check_values=False)
                clone.set_array("values", values.astype("f8"))
                clone.write_to(file)
        temporary.replace(path)


def run(config, checkpoint, folder):
    """Forecast as the checked `config` says, with one line on stdout for each file in `folder`."""
    date, timestep, leads, variables = (config[key] for key in ("date", "timestep", "leads", "variables"))
    times = [date - dt.timedelta(minutes=timestep * back) for back in reversed(range(config["multistep_input"]))]
    states, messages = read_states(config["files"], times, variables)
    predicted = rollout(load_model(checkpoint, states.shape), states, leads[-1] // timestep, config["increment_scale"])
    for number, state in enumerate(predicted):
        lead = number * timestep
        broken = [name for name, values in zip(variables, state.T, strict=True) if not np.isfinite(values).all()]
        require(not broken, f"lead {describe(lead)}: the model gives values that are not finite in {', '.join(broken)}")
        if lead in leads:
            with explained(f"output.path: {config['path']} may use {{date}}, {{time}} and {{step}}"):
                step = lead // 60 if lead % 60 == 0 else length_text(lead)
                path = folder / config["path"].format(date=f"{date:%Y%m%d}", time=f"{date:%H%M}", step=step)
            write_state(path, state, messages, lead, config["bits_per_value"])
            print(f"lead {describe(lead)}: {path}", flush=True)


def main(arguments=None):
    """Make one forecast, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="ONNX model")
    parser.add_argument("--config", type=Path, required=True, help="inference config (YAML)")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    options = parser.parse_args(arguments)
    with explained(f"{options.config}: cannot be read as YAML"):
        config = yaml.safe_load(options.config.read_bytes())
    run(parse_config(config, options.config.parent), options.checkpoint, options.output)


if __name__ == "__main__":
    main()
