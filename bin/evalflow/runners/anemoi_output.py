"""What anemoi-inference is told to write, and which lead times come of it.

Names and keys of outputs are those of anemoi-inference 0.4 to 0.13. An output that is not known (a
plugin's) may write anything.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evalflow.runners.base import Mistakes, listed, outside

_MAIN = {
    "grib": "path", "netcdf": "path", "zarr": "store",
    "raw": "dir", "plot": "dir", "printer": "path", "none": "path", "gribmemory": "path",
}  # fmt: skip
"""Output → the key that says where it writes."""
_READABLE = {"grib", "netcdf", "zarr"}
_FORWARDS = {"truth", "mask", "apply_mask", "extract_lam", "extract_slice", "extract_mask", "assign_mask", "parallel"}
"""Outputs that write what another output, at `output`, is given."""
_KNOWN = {*_MAIN, *_FORWARDS, "tee"}
_EXAMPLE = "output: {grib: 'grib/{date}{time:04}_{step:03}.grib'}"
_LENGTH = re.compile(r"([0-9]{1,5})\s*([smhd]?)")
_CLOCK = re.compile(r"([0-9]{1,3}):([0-5][0-9])(?::([0-5][0-9]))?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "": 3600, "d": 86400}


def as_hours(value: object) -> float | None:
    """Return a length of time as anemoi writes it (`6`, `6h`, `30m`, `01:00:00`), or None."""
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if match := _LENGTH.fullmatch(text):
        hours = int(match[1]) * _SECONDS[match[2]] / 3600
    elif match := _CLOCK.fullmatch(text):
        hours = int(match[1]) + int(match[2]) / 60 + int(match[3] or 0) / 3600
    else:
        return None
    return hours or None


@dataclass(frozen=True)
class _Leaf:
    """An output that writes, or none that does: its place in the config, name, and what it says."""

    keys: tuple[str, ...]
    name: str
    says: dict[str, Any]
    truth: bool = False

    @property
    def key(self) -> str:
        return ".".join(("output", *self.keys))

    @property
    def target(self) -> object:
        return self.says.get(_MAIN.get(self.name, "path"))


def _leaves(node: object, keys: tuple[str, ...] = (), truth: bool = False) -> Iterator[_Leaf]:
    """Yield the outputs that write: those inside of `tee` and of outputs that pass on."""
    if isinstance(node, str):
        yield _Leaf(keys, node, {}, truth)
    if not isinstance(node, dict):
        return
    if len(node) > 1:  # one output for each dataset of the checkpoint
        for dataset, below in node.items():
            yield from _leaves(below, (*keys, str(dataset)), truth)
        return
    for name, value in node.items():
        here = (*keys, str(name))
        if name == "tee":
            several = value.get("outputs") if isinstance(value, dict) else value
            for below in several if isinstance(several, list) else []:
                yield from _leaves(below, here, truth)
        elif name in _FORWARDS:
            nested = isinstance(value, dict) and "output" in value
            yield from _leaves(value["output"] if nested else value, here, truth or name == "truth")
        elif name not in _KNOWN and isinstance(value, dict) and _KNOWN & value.keys():
            yield from _leaves(value, here, truth)  # the only dataset
        else:
            says = value if isinstance(value, dict) else {_MAIN.get(str(name), "path"): value}
            yield _Leaf(here, str(name), says, truth)


def _gives(leaf: _Leaf, lead_time: float, config: dict) -> bool:
    """Return whether an output writes a lead time."""
    if lead_time == 0:
        initial = leaf.says.get("write_initial_state")
        return bool(config.get("write_initial_state", True) if initial is None else initial)
    said = leaf.says.get("output_frequency")
    frequency = as_hours(config.get("output_frequency") if said is None else said)
    return frequency is None or abs(lead_time / frequency - round(lead_time / frequency)) < 1e-6


def output_mistakes(config: dict, lead_times: list[int | float]) -> Mistakes:
    """Return what of an inference config keeps a forecast from being whole: key, and what it is.

    Parameters
    ----------
    config : the inference config, with the files that it names located
    lead_times : wanted, in hours
    """
    if not config.get("output"):
        return []
    leaves = list(_leaves(config["output"]))
    targets = [(leaf.key, leaf.target) for leaf in leaves if leaf.name != "printer"]
    wrong: Mistakes = [(key, what) for key, target in targets if (what := outside(target))]
    writing = [leaf for leaf in leaves if (leaf.name in _READABLE or leaf.name not in _KNOWN) and not leaf.truth]
    if not writing:
        names = ", ".join(dict.fromkeys("truth" if leaf.truth else leaf.name for leaf in leaves)) or "this"
        allowed = f"grib, netcdf or zarr, such as {_EXAMPLE}"
        return [*wrong, ("output", f"{names} writes no forecast that can be read; allowed: {allowed}")]
    missing = [lead for lead in lead_times if not any(_gives(leaf, lead, config) for leaf in writing)]
    if missing[:1] == [0]:
        what = "is false, and steps begin at 0, for which nothing is then written; allowed: true, or steps that begin later"
        wrong.append(("write_initial_state", what))
    later = [lead for lead in missing if lead > 0]
    if later:
        what = f"writes nothing at {listed(later)}, which steps ask for; allowed: what divides all of steps"
        wrong.append(("output_frequency", what))
    return wrong


def output_doubts(config: dict) -> Mistakes:
    """Return what of an inference config is probably a mistake: without `output`, nothing is written."""
    if config.get("output"):
        return []
    return [("output", f"missing: anemoi-inference then prints fields and writes none; allowed: such as {_EXAMPLE}")]
