"""Laws of ids, with generated configs."""

import re

import pytest
from evalflow.yamlio import dump_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ids import SCALARS, differences, shuffled

steps = st.builds("{}/{}/{}".format, st.integers(0, 12), st.integers(12, 240), st.integers(1, 12))
packages = st.lists(st.sampled_from(["numpy", "scipy>=1", "torch==2.1", "a[b]<3"]), unique=True, max_size=3)
keys = st.sampled_from(["input", "scale", "more", "date", "patch", "path"])
run_entries = st.fixed_dictionaries(
    {"runner": st.just("onnx"), "checkpoint": st.sampled_from(["model.onnx", "other.onnx"]), "steps": steps},
    optional={
        "label": st.sampled_from(["one", "two"]),
        "requirements": packages,
        "extra_requirements": packages,
        "python": st.sampled_from(["3.11", "3.12"]),
        "disable_local_eccodes_definitions": st.booleans(),
        "squash_venv": st.booleans(),
        "config": st.just("inference.yaml")
        | st.dictionaries(
            keys, st.dictionaries(keys, SCALARS, max_size=3) | SCALARS | st.just("physics.yaml"), max_size=4
        ),
    },
)
baselines = st.fixed_dictionaries(
    {"label": st.uuids().map(str), "root": st.sampled_from(["/a", "/b"]), "steps": steps},
    optional={"member": st.sampled_from(["mean", "control", 7])},
)
items = (
    st.fixed_dictionaries({"forecaster": run_entries})
    | st.fixed_dictionaries({"temporal_downscaler": run_entries})
    | st.builds(
        lambda entry, source: {"temporal_downscaler": {**entry, "steps": source["steps"], "forecaster": source}},
        run_entries,
        run_entries,
    )
    | st.fixed_dictionaries({"baseline": baselines})
)
configs = st.fixed_dictionaries(
    {
        "description": st.just("drawn"),
        "dates": st.just({"start": "2024-01-01", "end": "2024-01-02", "frequency": "6h"}) | st.just(["2024-01-01"]),
        "runs": st.lists(items, min_size=1, max_size=3),
    },
    optional={
        "truth": st.fixed_dictionaries({"label": st.just("A"), "root": st.sampled_from(["/a.zarr", "/b.zarr"])}),
        "experiment": st.fixed_dictionaries(
            {}, optional={"params": st.just(["T_2M"]), "thresholds": st.just({"T_2M": {"lt": [1], "gt": [2, 3.5]}})}
        ),
        "lapse_rate_correction": st.booleans(),
    },
)


@pytest.fixture(scope="module")
def one_experiment(new_experiment):
    return new_experiment()


@settings(max_examples=60)
@given(config=configs, random=st.randoms(use_true_random=False))
def test_the_order_of_keys_and_runs_changes_no_id(one_experiment, config, random):
    before = one_experiment.ids(config)
    other = shuffled(config, random)
    assert one_experiment.ids(other) == before
    random.shuffle(other["runs"])
    assert not differences(before, one_experiment.ids(other))
    assert not differences(before, one_experiment.ids(dump_yaml(other) + "# a comment\n"))


@settings(max_examples=40)
@given(config=configs)
def test_ids_are_all_different_and_names_of_folders(one_experiment, config):
    ids = one_experiment.ids(config)
    assert len(set(ids.envs)) == len(ids.envs) and len(set(ids.runs)) == len(ids.runs)
    assert all(re.fullmatch(r"[a-z0-9_-]+", env_id) for env_id in ids.envs)
    assert all(re.fullmatch(r"[a-z0-9_-]+/[0-9a-f]{8}", run_id) for run_id in ids.runs)
