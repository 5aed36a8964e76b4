"""Which ids differ: of environments, of runs, of the experiment."""

import hashlib

from hypothesis import strategies as st


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


NOTHING: set[str] = set()
EXPERIMENT = {"experiment"}
RUN = {"run", "experiment"}
ENV = {"env", "run", "experiment"}


def differences(before, after) -> set[str]:
    """Return which ids differ: of the environments, of the runs, of the experiment. Their order does not count."""
    names = [(sorted(ids.envs), sorted(ids.runs), ids.experiment) for ids in (before, after)]
    return {kind for kind, one, other in zip(("env", "run", "experiment"), *names, strict=True) if one != other}


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)


def shuffled(data, random):
    """Return `data` with the keys of every mapping in another order."""
    if isinstance(data, list):
        return [shuffled(item, random) for item in data]
    if not isinstance(data, dict):
        return data
    keys = list(data)
    random.shuffle(keys)
    return {key: shuffled(data[key], random) for key in keys}


FORECASTER = {"runner": "onnx", "checkpoint": "model.onnx", "steps": "0/24/6"}
DOWNSCALER = {"runner": "onnx", "checkpoint": "other.onnx", "steps": "0/24/1"}


def forecaster(**fields) -> dict:
    return {"forecaster": {**FORECASTER, **fields}}


def downscaler(of: dict | None = None, **fields) -> dict:
    return {"temporal_downscaler": {**DOWNSCALER, **fields, **(of or {})}}


def baseline(**fields) -> dict:
    return {"baseline": {"label": "EPS", "root": "/archive/EPS", "steps": "0/24/6", **fields}}
