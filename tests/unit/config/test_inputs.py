"""What texts of an inference config name besides one file: folders, wildcards, variables, URLs, names with dates."""

import os
from pathlib import Path

import pytest
from evalflow.config import inputs
from evalflow.config.inference import InferenceConfig, Reading, read_inference_config
from evalflow.lookup import Lookup


@pytest.fixture
def folder_of_inputs(tmp_path):
    """Return a folder of analyses beside a config, and elsewhere the launch folder."""
    for name in ("an/20240101.grib", "an/20240102.grib", "an/deep/x.grib", "an/.hidden", "odd [1]/a.grib", "one.grib"):
        path = tmp_path / "beside" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "beside" / "an" / "empty.done").touch()
    (tmp_path / "launch").mkdir()
    return tmp_path / "beside"


def take(folder: Path, data: dict, working: frozenset[str] = frozenset()) -> InferenceConfig:
    return read_inference_config(data, Lookup(folder, folder.parent / "launch"), "config", Reading(working=working))


FOLDERS = {"an/": "an", "./an": "an", "../beside/an/deep": "an/deep", "odd [1]/": "odd [1]"}
WILDCARDS = ["an/*.grib", "an/2024010?.grib", "an/2024010[12].grib", "an/**/*.grib", "*/*.grib", "*.grib"]


@pytest.mark.parametrize("text", FOLDERS)
def test_a_folder_is_located_and_counts_by_all_files_in_it(folder_of_inputs, text):
    found = take(folder_of_inputs, {"input": text})
    absolute = str(folder_of_inputs / FOLDERS[text])
    assert found.located == {"input": absolute} and found.files == {text: absolute}
    assert found.identity == take(folder_of_inputs, {"input": absolute}).identity, "relative or absolute"
    assert len(found.identity["input"]["file"]) == 64 and not found.uncounted
    assert all(path.startswith(f"{absolute}/") for path in found.counted)
    file = next(iter(found.counted))
    Path(file).write_text("changed")
    assert take(folder_of_inputs, {"input": text}).identity != found.identity


@pytest.mark.parametrize("text", WILDCARDS)
def test_a_wildcard_is_located_and_counts_by_what_it_means(folder_of_inputs, text):
    found = take(folder_of_inputs, {"input": text})
    assert found.located == {"input": f"{folder_of_inputs}/{text}"}
    assert found.identity == take(folder_of_inputs, found.located).identity, "relative or absolute"
    assert len(found.identity["input"]["file"]) == 64 and not found.uncounted and found.counted
    Path(found.counted[0]).write_text("changed")
    assert take(folder_of_inputs, {"input": text}).identity != found.identity


def test_a_wildcard_in_a_folder_with_brackets_means_the_same_when_located(folder_of_inputs):
    found = take(folder_of_inputs / "odd [1]", {"input": "*.grib"})
    import glob

    assert glob.glob(found.located["input"]) == [str(folder_of_inputs / "odd [1]" / "a.grib")]
    moved = folder_of_inputs / "plain"
    (folder_of_inputs / "odd [1]").rename(moved)
    assert take(moved, {"input": "*.grib"}).identity == found.identity, "where it lies does not count"


def test_the_place_of_a_folder_does_not_count_and_names_in_it_do(folder_of_inputs):
    before = take(folder_of_inputs, {"input": "an/"}).identity
    (folder_of_inputs / "an").rename(folder_of_inputs / "moved")
    assert take(folder_of_inputs, {"input": "moved/"}).identity == before
    (folder_of_inputs / "moved" / ".hidden").write_text("other")
    assert take(folder_of_inputs, {"input": "moved/"}).identity == before, "hidden files"
    (folder_of_inputs / "moved" / "20240101.grib").rename(folder_of_inputs / "moved" / "20240103.grib")
    renamed = take(folder_of_inputs, {"input": "moved/"}).identity
    assert renamed != before
    (folder_of_inputs / "moved" / "more.grib").write_text("more")
    assert take(folder_of_inputs, {"input": "moved/"}).identity != renamed, "a file more"


def test_folders_that_hold_each_other_end(folder_of_inputs):
    (folder_of_inputs / "an" / "deep" / "up").symlink_to("..")
    (folder_of_inputs / "an" / "self").symlink_to(".")
    assert len(take(folder_of_inputs, {"input": "an/"}).counted) == 3


VARIABLES = ["$EVALFLOW_TEST_DATA/{}", "${{EVALFLOW_TEST_DATA}}/{}", "${{oc.env:EVALFLOW_TEST_DATA}}/{}"]


@pytest.mark.parametrize("form", VARIABLES)
@pytest.mark.parametrize("name", ["one.grib", "an/", "an/*.grib"])
def test_a_variable_at_the_start_is_filled_in(folder_of_inputs, monkeypatch, form, name):
    text = form.format(name)
    assert take(folder_of_inputs, {"input": text}).identity == {"input": text}, "not set: left to the model"
    monkeypatch.setenv("EVALFLOW_TEST_DATA", str(folder_of_inputs))
    found = take(folder_of_inputs.parent / "launch", {"input": text})
    assert found.located["input"] == f"{folder_of_inputs}/{name}".rstrip("/")
    assert found.identity == take(folder_of_inputs, {"input": name}).identity


def test_a_variable_that_is_no_path_is_shown_nowhere(folder_of_inputs, monkeypatch):
    monkeypatch.setenv("EVALFLOW_TEST_DATA", "hush")
    (folder_of_inputs / "hush" / "an").mkdir(parents=True)
    found = take(folder_of_inputs, {"input": "$EVALFLOW_TEST_DATA/an"})
    assert found.located == found.identity == {"input": "$EVALFLOW_TEST_DATA/an"}


@pytest.mark.parametrize(
    ("host", "name"), [("", "one.grib"), ("localhost", "one.grib"), ("", "an"), ("", "odd%20%5B1%5D/a.grib")]
)
def test_a_file_url_stays_as_it_is_and_counts_by_content(folder_of_inputs, host, name):
    url = f"file://{host}{folder_of_inputs}/{name}"
    found = take(folder_of_inputs, {"input": url})
    assert found.located == {"input": url} and not found.uncounted
    plain = name.replace("%20", " ").replace("%5B", "[").replace("%5D", "]")
    assert found.identity == take(folder_of_inputs, {"input": f"{folder_of_inputs}/{plain}"}).identity


NOT_COUNTED = {
    # text → what it becomes, and what stands for it (below the folder of inputs), and why
    "a URL": ("https://example.org/data.zarr", None, "a URL"),
    "an object store": ("s3://bucket/data.zarr", None, "a URL"),
    "a chain of URLs": ("simplecache::s3://bucket/data.zarr", None, "a URL"),
    "a name with a date": ("an/{date:%Y%m%d}.grib", "an/{date:%Y%m%d}.grib", "a name with {…}"),
    "a wildcard with a date": ("an/{date}*.grib", "an/{date}*.grib", "a name with {…}"),
}


@pytest.mark.parametrize(("text", "place", "why"), NOT_COUNTED.values(), ids=NOT_COUNTED)
def test_what_cannot_be_counted_is_located_and_named(folder_of_inputs, text, place, why):
    found = take(folder_of_inputs, {"input": text})
    expected = f"{folder_of_inputs}/{place}" if place else text
    assert found.located == found.identity == {"input": expected}, "two folders of that name are two inputs"
    assert found.uncounted == {text: why}
    absolute = take(folder_of_inputs, {"input": expected})
    assert absolute.identity == found.identity and absolute.uncounted == {expected: why}


@pytest.mark.parametrize("text", ["an/", "an/*.grib"])
def test_a_folder_of_very_much_counts_by_its_name(folder_of_inputs, monkeypatch, text):
    monkeypatch.setattr(inputs, "_MOST_FILES", 2)
    found = take(folder_of_inputs, {"input": f"{folder_of_inputs}/{text}"})
    if text == "an/*.grib":
        assert not found.uncounted, "just as many as are counted"
        monkeypatch.setattr(inputs, "_MOST_BYTES", 1)
        found = take(folder_of_inputs, {"input": f"{folder_of_inputs}/{text}"})
    assert found.identity == {"input": f"{folder_of_inputs}/{text}"} and not found.counted
    assert list(found.uncounted.values()) == ["more than 2 files or 10 GB"] or text == "an/*.grib"
    assert list(found.uncounted) == [f"{folder_of_inputs}/{text}"]


def test_a_folder_in_which_launches_write_counts_by_its_name(folder_of_inputs):
    found = take(folder_of_inputs, {"input": f"{folder_of_inputs.parent}/"})
    assert found.identity == {"input": f"{folder_of_inputs.parent}/"}
    assert list(found.uncounted.values()) == ["a folder in which other things are written, too"]


LEFT_ALONE = ["forecaster/*.grib", "forecaster/", "./forecaster/sub", "forecaster/{date}.grib"]


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_a_downscaler_finds_in_its_working_folder_is_left_alone(folder_of_inputs, text):
    (folder_of_inputs / "forecaster" / "sub").mkdir(parents=True)
    (folder_of_inputs / "forecaster" / "x.grib").write_text("x")
    found = take(folder_of_inputs, {"input": text}, frozenset({"forecaster"}))
    assert found.located == found.identity == {"input": text} and not found.uncounted
    assert take(folder_of_inputs, {"input": text}).located != {"input": text}, "of a forecaster, it is an input"


WRITTEN = ["output", "outputs", "cache_dir", "tmp", "TMPDIR", "log_path", "trace_path", "work_dir"]


@pytest.mark.parametrize("key", WRITTEN)
@pytest.mark.parametrize("text", ["an/", "an/*.grib", "an/{date}.grib"])
def test_places_that_a_model_writes_to_are_no_inputs(folder_of_inputs, key, text):
    data = {key: {"grib": {"path": text}}}
    found = take(folder_of_inputs, data)
    assert found.located == found.identity == data and not found.uncounted


@pytest.mark.parametrize(
    "text", ["/", ".", "./", "../", "..", "~", "~/", "m/s", "an", "*", "q_*", ".*", "/*", "{date}"]
)
def test_texts_of_every_day_name_nothing(folder_of_inputs, text):
    found = take(folder_of_inputs, {"input": text})
    assert found.located == found.identity == {"input": text} and not found.uncounted


def test_what_cannot_be_read_counts_by_its_name(folder_of_inputs, monkeypatch):
    def refuse(path):
        raise inputs.UserError(f"{path}: cannot be read")

    monkeypatch.setattr(inputs, "file_digest", refuse)
    found = take(folder_of_inputs, {"input": "an/"})
    assert found.uncounted == {"an/": "not all of it can be read"}
    assert found.identity == {"input": str(folder_of_inputs / "an")}


def test_a_folder_with_a_pipe_in_it_does_not_hang(folder_of_inputs):
    os.mkfifo(folder_of_inputs / "an" / "pipe")
    assert len(take(folder_of_inputs, {"input": "an/"}).counted) == 3
