"""The inference config: which files it names, what identifies it, what is written out."""

from pathlib import Path

import pytest
from evalflow.config.inference import Reading, read_inference_config
from evalflow.errors import UserError
from evalflow.lookup import Lookup
from evalflow.yamlio import dump_yaml


@pytest.fixture
def folder_of_files(tmp_path):
    """Return a folder with some files to name: data, a YAML, a Zarr store, a plain folder."""
    for name, text in {
        "data.grib": "GRIB",
        "sub/more.grib": "more",
        "sub/patch.yaml": "file: more.grib",
        "store.zarr/.zmetadata": "{}",
        "store.zarr/chunk": "chunk",
        "plain/file": "file",
        "without_suffix": "text",
        "sub/without_suffix": "text",
        "6h": "text",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def read(folder_of_files: Path, data: dict, overrides: frozenset[str] = frozenset()):
    return read_inference_config(
        data, Lookup(folder_of_files, folder_of_files / "launch"), "runs[0].forecaster.config", Reading(overrides)
    )


NAMED = [
    "data.grib",
    "./sub/../data.grib",
    "sub/more.grib",
    "sub/patch.yaml",
    "store.zarr",
    "store.zarr/",
    "sub/without_suffix",
]
NOT_NAMED = [
    "6h",
    "without_suffix",
    "plain",
    "sub",
    "missing.grib",
    "https://e.org/data.grib",
    "*/*.nc",
    "{a}/data.nc",
]
NOT_NAMED += ["data.grib\n", "", "/", 5000 * "a/", "a\0/b", "~nobody-of-this-name/file", "2024-01-01", "0/120/6"]


@pytest.mark.parametrize("text", NAMED)
def test_text_that_names_a_file_becomes_its_content_and_its_absolute_path(folder_of_files, text):
    config = read(folder_of_files, {"a": [{"b": text}]})
    absolute = str((folder_of_files / text).resolve())
    assert config.located == {"a": [{"b": absolute}]}
    assert config.files == {text: absolute}
    (identity,) = config.identity["a"][0]["b"].values()
    assert len(identity) == 64 and text not in identity


@pytest.mark.parametrize("text", NOT_NAMED)
def test_other_text_stays_as_it_is(folder_of_files, text):
    config = read(folder_of_files, {"a": text})
    assert (config.identity, config.located, config.files) == ({"a": text}, {"a": text}, {})


def test_an_absolute_path_is_the_same_as_a_relative_one(folder_of_files):
    one, other = (
        read(folder_of_files, {"a": "data.grib"}),
        read(folder_of_files, {"a": str(folder_of_files / "data.grib")}),
    )
    assert (one.identity, one.located) == (other.identity, other.located)


def test_keys_are_never_files(folder_of_files):
    assert read(folder_of_files, {"data.grib": 1, "a": {"sub/more.grib": 2}}).located == {
        "data.grib": 1,
        "a": {"sub/more.grib": 2},
    }


def test_keys_of_any_kind_are_taken(folder_of_files):
    read(folder_of_files, {"a": {500: "u", "z": 1, None: 2, True: 3}})


def test_only_overrides_at_the_top_are_dropped(folder_of_files):
    config = read(folder_of_files, {"date": 1, "a": {"date": 2}}, frozenset({"date"}))
    assert config.located == config.identity == {"a": {"date": 2}}


CONTENT_CHANGES = {
    # file, new content → whether what names it is another one
    "bytes": ("data.grib", "OTHER", True),
    "value of a YAML": ("sub/patch.yaml", "file: other.grib", True),
    "comment of a YAML": ("sub/patch.yaml", "# a comment\nfile: 'more.grib'", False),
    "file that a YAML names": ("sub/more.grib", "other", True),
    "metadata of a Zarr store that do not say what it is": ("store.zarr/.zmetadata", '{"a": 1}', False),
    "chunk of a Zarr store": ("store.zarr/chunk", "other", False),
    "YAML that is none": ("sub/patch.yaml", "a: [", True),
}


@pytest.mark.parametrize(("name", "content", "differs"), CONTENT_CHANGES.values(), ids=CONTENT_CHANGES)
def test_content_counts(folder_of_files, name, content, differs):
    data = {"a": "data.grib", "b": "sub/patch.yaml", "c": "store.zarr"}
    before = read(folder_of_files, data).identity
    (folder_of_files / name).write_text(content)
    assert (read(folder_of_files, data).identity != before) == differs


def test_files_that_name_each_other_end_and_their_names_do_not_count(folder_of_files):
    identities = []
    for one, other in (("a.yaml", "b.yaml"), ("c.yaml", "d.yaml")):
        (folder_of_files / one).write_text(dump_yaml({"other": other}))
        (folder_of_files / other).write_text(dump_yaml({"other": one, "value": 1}))
        identities.append(read(folder_of_files, {"first": one}).identity)
    assert identities[0] == identities[1]
    (folder_of_files / "d.yaml").write_text(dump_yaml({"other": "c.yaml", "value": 2}))
    assert read(folder_of_files, {"first": "c.yaml"}).identity != identities[1]


def test_names_in_a_file_are_looked_up_beside_that_file_first(folder_of_files):
    (folder_of_files / "sub" / "inference.yaml").write_text("a: data.grib\nb: more.grib")
    config = read(folder_of_files, "sub/inference.yaml")
    assert config.located == {"a": "data.grib", "b": str(folder_of_files / "sub" / "more.grib")}
    (folder_of_files / "launch").mkdir()
    (folder_of_files / "launch" / "data.grib").write_text("launch")
    assert read(folder_of_files, "sub/inference.yaml").located["a"] == str(folder_of_files / "launch" / "data.grib")


MISTAKES = {
    "missing": (None, "runs[0].forecaster.config: no such file: it.yaml (looked for "),
    "empty": ("", "it.yaml: the inference config is empty"),
    "comments only": ("# nothing\n", "it.yaml: the inference config is empty"),
    "a list": ("- a\n", "it.yaml: the inference config must be a mapping"),
    "text": ("text\n", "it.yaml: the inference config must be a mapping"),
    "no YAML": ("a: [\n", "it.yaml:2:1: not valid YAML"),
    "not text": (b"\xff", "it.yaml: not UTF-8 text"),
}


@pytest.mark.parametrize(("content", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_one_line(folder_of_files, content, message):
    if content is not None:
        (folder_of_files / "it.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        read(folder_of_files, "it.yaml")
    assert message in str(caught.value) and len(str(caught.value).splitlines()) == 1
