"""What a checkpoint says of itself."""

import json
import re
import tracemalloc
import zipfile

import pytest
from evalflow.checkpoints import metadata as checkpoint_metadata
from evalflow.checkpoints.metadata import read_metadata, read_task
from evalflow.errors import UserError
from support.environments import (
    one_line,
    run,
    tree,
)
from support.specs import make_checkpoint_spec

NAME = "archive/anemoi-metadata/ai-models.json"
METADATA_TEXTS = {
    # what stands for metadata in a checkpoint → what is said of it
    "no JSON": ("{", "not valid JSON"),
    "no text": (b"\xff{}", "not valid JSON"),
    "nothing": ("", "not valid JSON"),
    "a number of too many digits": (5000 * "9", "not valid JSON"),
    "a list": ("[]", "not a mapping"),
    "a number": ("1", "not a mapping"),
    "nothing at all": ("null", "not a mapping"),
    "half a character": ('{"a": "\\ud800"}', "no valid Unicode"),
    "half a character as a key": ('{"\\udfff": 1}', "no valid Unicode"),
    "too deep": (100_000 * "[", "nested too deeply"),
}


@pytest.mark.parametrize(("text", "problem"), METADATA_TEXTS.values(), ids=METADATA_TEXTS)
def test_metadata_that_is_no_mapping_is_refused_in_one_line(tmp_path, text, problem):
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(NAME, text)
    message = one_line(run("get_checkpoint.py", spec=make_checkpoint_spec(tmp_path / "store", path)))
    expected = f"model.ckpt: the checkpoint's anemoi metadata is {problem}; save the checkpoint again"
    assert message == f"evalflow: {expected}"
    assert tree(tmp_path / "store") == {}


def test_a_damaged_archive_is_refused_in_one_line_wherever_the_damage_is(tmp_path):
    whole = tmp_path / "whole.ckpt"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"weights")
        archive.writestr(NAME, '{"version": "1.0"}')
    content, path, said = whole.read_bytes(), tmp_path / "model.ckpt", set()
    for place in range(len(content)):
        for byte in {0x00, 0x01, 0x7F, 0xFF, content[place] ^ 0x08} - {content[place]}:
            path.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
            try:
                read_metadata(path, "model.ckpt")
            except UserError as error:
                said.add(str(error))
    assert any("Bad magic number" in text for text in said) and any("Bad CRC-32" in text for text in said)
    assert all(re.match("model.ckpt: the checkpoint's (archive|anemoi metadata) ", text) for text in said)
    assert all(len(text.splitlines()) == 1 and text.isprintable() for text in said)


@pytest.mark.parametrize("lie", [False, True], ids=["said", "not said"])
def test_a_zip_bomb_does_not_fill_the_memory(tmp_path, monkeypatch, lie):
    monkeypatch.setattr(checkpoint_metadata, "_MOST_METADATA", 1_000_000)
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, 50_000_000 * b" ")
    if lie:
        path.write_bytes(path.read_bytes().replace((50_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    tracemalloc.start()
    with pytest.raises(UserError, match=r"model\.ckpt: the checkpoint's archive cannot be read: ") as caught:
        read_metadata(path, "model.ckpt")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert lie or "50,000,000 bytes of metadata, more than 1,000,000; " in str(caught.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_metadata_that_may_decompress_without_a_limit_is_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "model.ckpt", "w", method) as archive:
        archive.writestr(NAME, "{}")
    with pytest.raises(UserError, match=r"^model\.ckpt: .*: metadata compressed in another way than by deflate; "):
        read_metadata(tmp_path / "model.ckpt", "model.ckpt")


@pytest.mark.parametrize(("task", "read"), [("forecaster", "forecaster"), (["a"], None), ({"a": 1}, None), (1, None)])
def test_a_task_is_text(tmp_path, task, read):
    with zipfile.ZipFile(tmp_path / "model.ckpt", "w") as archive:
        archive.writestr(NAME, json.dumps({"metadata_inference": {"task": task}}))
    assert read_task(tmp_path / "model.ckpt") == read
