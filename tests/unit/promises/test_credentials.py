"""Credentials in a config are refused, and never repeated."""

import pytest
from evalflow.config import inference
from evalflow.config.inference import Reading, read_inference_config
from evalflow.errors import UserError
from evalflow.lookup import Lookup
from evalflow.texts import render
from support.hostile import INFERENCE, Place, full_with


@pytest.mark.parametrize(
    "text",
    [
        "git+ssh://git@github.com/org/repo@main",
        "git+https://example.org:8443/org/repo.git@main",
        "git+https://[::1]:8443/org/repo.git@main",
        "git+https://github.com/org/repo@v1.0#subdirectory=models",
        "pkg @ git+https://github.com/org/repo@main",
    ],
)
def test_what_only_looks_like_credentials_is_data(trial, given, text):
    given(experiment=full_with(Place((*INFERENCE[:3], "requirements", 0)), text))
    assert text.replace(" ", "") in {line.replace(" ", "") for line in trial.plan()["envs"][0]["spec"]["requirements"]}


def test_credentials_in_files_of_an_inference_config_are_refused(trial, given, monkeypatch):
    """Of files that it names, in those whose text goes into the plan."""
    path = trial.path.with_name("inference.yaml")
    given(experiment=full_with(Place(INFERENCE), "inference.yaml"))
    bad = {"input": [{"url": "s3://key:hush@host/a.zarr"}]}
    monkeypatch.setattr(inference, "read_yaml", lambda _path: bad)
    with pytest.raises(UserError) as caught:
        trial.plan()
    assert str(caught.value).startswith(
        f"{render(INFERENCE)}: {path}: input[0].url: a URL with a user name or password"
    )


def test_credentials_in_a_named_file_that_is_rewritten_are_refused(experiment):
    experiment.write("sub/index.yaml", {"file": "a.grib", "url": "https://me:hush@example.org"})
    experiment.write("sub/a.grib", "GRIB")
    with pytest.raises(UserError, match=r"sub/index.yaml: url: a URL with a user name or password in it") as caught:
        read_inference_config(
            {"index": "sub/index.yaml"}, Lookup(experiment.folder, experiment.launch), "key", Reading(rewrite=True)
        )
    assert "hush" not in str(caught.value)
