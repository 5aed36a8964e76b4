"""Secrets are not shown by what fails, and files get the modes that the umask asks for."""

import base64
import os
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from evalflow.environment.checkpoint import get_checkpoint
from evalflow.environment.image import build_image
from evalflow.environment.lock import lock_requirements
from evalflow.environment.seal import seal_environment
from evalflow.errors import UserError
from evalflow.inference.prepare import prepare_run
from evalflow.launch.summary import write_summary
from evalflow.plan.options import Options
from evalflow.plan.plan import make_plan, write_plan
from evalflow.requirements import read_lock
from evalflow.store.layout import LOCK, METADATA, image_name
from support.environments import lock, make_wheel
from support.secrets_of_users import leaks, modes, new_token, private_index, texts_below
from support.specs import make_spec


@pytest.mark.parametrize("before", ["", "m", "me", "me:", "https://me:"])
def test_a_secret_is_found_however_it_is_written(tmp_path, before):
    token = new_token()
    whole = f"{before}{token}@host".encode()
    (tmp_path / "folder").mkdir()
    for text in (whole, base64.b64encode(whole), base64.urlsafe_b64encode(whole), quote(whole, safe="").encode()):
        (tmp_path / "folder" / "file").write_bytes(b"text " + text)
        assert leaks({"it": token}, texts_below(tmp_path)) == [f"it in {tmp_path}/folder/file"]
    with zipfile.ZipFile(tmp_path / "folder" / "file", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", 100 * whole)
    assert leaks({"it": token}, texts_below(tmp_path)) == [f"it in {tmp_path}/folder/file:inside"]


def test_the_password_of_an_index_that_is_wrong_is_not_shown(tmp_path, monkeypatch):
    token = new_token()
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))
    with private_index(tmp_path / "index") as index:
        url = f"http://me:{quote(token, safe='')}@127.0.0.1:{index.server_port}/simple"
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        with pytest.raises(UserError, match="requirements cannot be resolved") as caught:
            lock(make_spec(tmp_path / "store", ["carried"]))
    written = (
        item for name in ("scratch", "store") for item in texts_below(tmp_path / name) if "uv-cache" not in item[0]
    )
    assert leaks({"password": token}, [("message", str(caught.value).encode()), *written]) == []


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002], ids=oct)
def test_files_have_the_modes_that_the_umask_asks_for(tmp_path, umask, monkeypatch, mask):
    wheel = make_wheel(tmp_path, "carried")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))
    (tmp_path / "model.py").write_text("weights")
    run = {
        "runner": "command",
        "command": "x {output}",
        "requirements": [wheel.name],
        "checkpoint": "model.py",
        "steps": "0/0/6",
    }
    config = {"description": "a test", "dates": ["1996-01-15"], "runs": [{"forecaster": run}]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    umask(mask)
    plan = make_plan(tmp_path / "config.yaml", Options(outdir=tmp_path / "out", launch=tmp_path))
    write_plan(plan, tmp_path / "out" / "plan.json")
    for squash in (True, False):
        spec = plan.envs[0].spec.model_copy(update={"squash_venv": squash})
        folder = spec.folder
        get_checkpoint(spec)
        lock_requirements(spec, folder / METADATA)
        image_id = read_lock(folder / LOCK)["image_id"]
        build_image(spec, folder / LOCK)
        seal_environment(spec, spec.images / image_name(image_id, squash))
    prepare_run(plan.runs[0].spec, tmp_path / "out" / "run")
    write_summary(tmp_path / "out" / "plan.json", plan, {})
    found = modes(tmp_path / "out")
    assert {Path(path).name for path in found} >= {
        "plan.json",
        "run.json",
        "env.json",
        "requirements.txt",
        f"{image_id}.squashfs",
    }
    for path, mode in found.items():
        # What mksquashfs writes is for nobody else to change.
        most = 0o777 if os.path.isdir(path) else 0o644 if path.endswith(".squashfs") else 0o666
        assert mode == most & ~mask, (path, oct(mode))
