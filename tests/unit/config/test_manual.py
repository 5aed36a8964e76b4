"""The manual, the example and the JSON schema, which are generated."""

import os
import subprocess
import sys

from evalflow.config.manual import EXAMPLE
from evalflow.config.model import ConfigModel, config_schema, load_config
from evalflow.yamlio import parse_yaml
from support.paths import PROJECT


def test_the_example_of_the_manual_is_accepted(tmp_path):
    (tmp_path / "example.yaml").write_text(EXAMPLE.read_text())
    config = load_config(tmp_path / "example.yaml")
    kinds = [kind for kind, _ in config.participants()]
    assert kinds == ["forecaster", "temporal_downscaler", "forecaster", "forecasts", *5 * ["baseline"]]
    assert set(parse_yaml(EXAMPLE.read_text(), "example")) | {"profile", "mec", "ffv2"} == set(ConfigModel.model_fields)


def test_every_field_is_described():
    schema = config_schema()
    for name, model in {"ConfigModel": schema, **schema["$defs"]}.items():
        assert model.get("description"), name
        for key, node in model["properties"].items():
            assert node.get("description") or "$ref" in node, f"{name}.{key}"
        assert model["additionalProperties"] is False, name


def schema(*arguments: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "EVALFLOW_VENV": sys.prefix}
    script = [sys.executable, str(PROJECT / "bin" / "schema.py"), *arguments]
    return subprocess.run(script, env=env, capture_output=True, text=True, check=False)


def test_schema_and_manual_are_up_to_date():
    result = schema("--check")
    assert result.returncode == 0, result.stderr


def test_schema_check_names_the_stale_file(tmp_path):
    usage, output = tmp_path / "usage.md", tmp_path / "output.md"
    for path in (usage, output):  # else those of the project would be written
        path.write_text((PROJECT / "docs" / path.name).read_text())
    places = ["--output-schema", str(tmp_path / "schema.json"), "--output-docs", str(tmp_path / "config.md")]
    places += ["--usage", str(usage), "--output", str(output)]
    assert schema(*places).returncode == 0
    assert schema(*places, "--check").returncode == 0
    (tmp_path / "config.md").write_text("old")
    result = schema(*places, "--check")
    assert result.returncode == 1
    assert result.stderr == f"evalflow: {tmp_path / 'config.md'}: not up to date with the models; run bin/schema.py\n"
    assert (tmp_path / "config.md").read_text() == "old"
    usage.write_text(usage.read_text().replace("| `--target", "| `--aim"))
    assert f"{usage}: not up to date" in schema(*places, "--check").stderr
