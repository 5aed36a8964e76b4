"""Ids of configs that people have: they stay what they are from release to release."""

from pathlib import Path

import pytest
from evalflow import identity
from evalflow import runs as naming
from evalflow.checkpoints.base import Checkpoint
from evalflow.config.model import load_config
from evalflow.digests import digest
from evalflow.identity import baseline_identity, master_hash
from evalflow.lookup import PROJECT, Lookup
from evalflow.runs import collect_all_runs

CONFIGS = PROJECT / "tests" / "data" / "configs"
NAMED = {
    "inference/forecaster.yaml": "input: {grib: analyses.grib}\n",
    "inference/downscaler.yaml": "input: cutout\n",
    "inference/public.yaml": "precision: '16'\n",
    "wheels/model-1.0-py3-none-any.whl": "wheel",
}


class ByName:
    """A provider for which a checkpoint is its name: nothing is there, and nothing is asked for in the network."""

    def resolve(self, uri: str, lookup: Lookup, key: str) -> Checkpoint:
        return Checkpoint(uri, {"uri": uri}, digest(uri)[:4], uri)


@pytest.fixture
def folder_of_configs(tmp_path, monkeypatch) -> Path:
    """Return a folder with the files that the configs name."""
    for name, content in NAMED.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(naming, "provider_of", lambda uri, key: ByName())
    monkeypatch.setattr(identity, "target_platform", lambda: "linux-x86_64")
    return tmp_path


def ids_of(path: Path, folder_of_configs: Path) -> list[str]:
    """Return all ids of a config whose relative paths are looked up in `folder`: runs, baselines, experiment."""
    config = load_config(path)
    lookup = Lookup(folder_of_configs, folder_of_configs)
    runs = collect_all_runs(config, lookup)
    baselines = [f"baseline-{digest(baseline_identity(entry, lookup))[:8]}" for entry in config.baselines()]
    return [*runs, *baselines, master_hash(config, runs, lookup)]


FIXED = {
    "case-studies": ["forecaster-9a19-dcd891b2/b9d7354f", "baseline-0c7e0644", "ef5c5231"],
    "downscaler": [
        "forecaster-7a1c-3ee9c3a7/0bb985d3",
        "temporal_downscaler-ad4e-e80190b6-on-forecaster-7a1c-3ee9c3a7/ba26820b",
        "temporal_downscaler-559f-7b76ab6a-on-analysis/f63f94fb",
        "baseline-2e8d9484",
        "baseline-562ad8f6",
        "b575d89a",
    ],
    "forecasters": [
        "forecaster-fa21-6922d585/5228fb4d",
        "forecaster-905f-ed106032/9a658a6a",
        "baseline-b0d262b2",
        "42698c00",
    ],
    "huggingface": ["forecaster-256d-287c735d/4b70d12d", "7bdeaf55"],
    "minimal": ["forecaster-30d4-07bc6c80/c33ff844", "79376e75"],
    "observations": ["forecaster-fa21-62489027/aea4efa4", "baseline-b0d262b2", "e452290b"],
    "runners": [
        "forecaster-0487-8239eedc/764ba9ca",
        "forecaster-d694-476141ad/830706cc",
        "baseline-d432d829",
        "945666c2",
    ],
}


def test_all_of_them_are_here():
    assert sorted(FIXED) == sorted(path.stem for path in CONFIGS.glob("*.yaml"))


@pytest.mark.parametrize("name", FIXED)
def test_ids_of_public_configs_stay_what_they_are(name, folder_of_configs):
    """Whoever changes these ids on purpose: everybody's stores are built again."""
    assert ids_of(CONFIGS / f"{name}.yaml", folder_of_configs) == FIXED[name]
