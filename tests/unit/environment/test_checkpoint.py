"""The checkpoint of an environment: linked or fetched, as planned, and described."""

import zipfile

import pytest
from evalflow.environment.checkpoint import get_checkpoint
from evalflow.store.files import read_json
from evalflow.store.layout import CHECKPOINT, METADATA
from support.environments import (
    one_line,
    run,
    tree,
)
from support.specs import make_checkpoint_spec


def test_checkpoint_is_linked_and_its_metadata_read(tmp_path):
    path = tmp_path / "inference-last.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'touch %s'\ntR." % bytes(tmp_path / "loaded"))
        archive.writestr("archive/anemoi-metadata/ai-models.json", '{"version": "1.0"}')
    spec = make_checkpoint_spec(tmp_path / "store", path)
    get_checkpoint(spec)
    folder = spec.folder
    assert (folder / CHECKPOINT).resolve() == path
    assert read_json(folder / METADATA) == {"version": "1.0"}
    assert not (tmp_path / "loaded").exists()


def test_checkpoint_of_another_format_is_described_by_it(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    spec = make_checkpoint_spec(tmp_path / "store", path)
    get_checkpoint(spec)
    assert read_json(spec.folder / METADATA) == {"format": "onnx"}


@pytest.mark.parametrize("change", ["changed", "gone"])
def test_checkpoint_that_is_not_as_planned_is_refused(tmp_path, change):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    spec = make_checkpoint_spec(tmp_path / "store", path)
    path.write_bytes(b"other weights") if change == "changed" else path.unlink()
    assert "model.onnx: " in one_line(run("get_checkpoint.py", spec=spec))
    assert tree(tmp_path / "store") == {}
