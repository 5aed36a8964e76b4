"""What is drawn when: nothing twice, a new domain alone, no label in anything that is kept."""

import os
import shutil

import numpy as np
import pytest
from evalflow.drawing.colours import difference_scale, scale_of
from evalflow.showcase.frames import decode, read_frames
from PIL import Image
from support.grib_files import LONGITUDES
from support.showcases import LEADS, RUN_ID, temperatures

SAFE_ID = RUN_ID.replace("/", "-")


def frames_of(show, part, against=""):
    (path,) = [
        path
        for path in show.store.glob(f"{part}*/202401100000/T_2M_england*.js")
        if ("minus" in path.name) == bool(against)
    ]
    return read_frames(path)


def colours_in(frame):
    """Return the colours of a frame in the west and in the east, `#rrggbb`."""
    image = decode(frame)
    points = (image.width // 8, image.height // 2), (image.width * 7 // 8, image.height // 2)
    return ["#{:02x}{:02x}{:02x}".format(*image.getpixel(point)[:3]) for point in points]


def colour_of(scale, value):
    return scale.colours[scale.classes(np.array([value], np.float32))[0] - 1]


def test_frames_have_the_colours_of_the_fields_in_the_order_of_lead_times(showing):
    shown = showing.run()
    assert (shown.problems, shown.animations, shown.meteograms) == ([], 5, 1)
    frames = frames_of(showing, "forecaster")
    assert frames.lead_times == list(LEADS) and len(frames.frames) == 4
    for frame, lead in zip(frames.frames, LEADS, strict=True):
        values = 273.65 + lead / 4 + 0.05, 277.65 + lead / 4 + 0.05
        assert colours_in(frame) == [colour_of(scale_of("T_2M"), value) for value in values], lead


def test_differences_are_forecast_minus_truth(showing):
    showing.run()
    scale = difference_scale("T_2M")
    assert colours_in(frames_of(showing, "forecaster", "truth").frames[2]) == [colour_of(scale, 2.0)] * 2
    assert colours_in(frames_of(showing, "forecasts", "truth").frames[2]) == [colour_of(scale, 3.0)] * 2


def test_a_second_launch_draws_nothing(showing):
    assert showing.run().drawn == 8  # frames and differences of two, frames of the truth, three times series
    before = showing.stored()
    shown = showing.run()
    assert (showing.prepared.packs, shown.drawn, shown.animations) == ([], 0, 5)
    assert showing.stored() == before


def test_a_label_changes_pages_only(showing):
    showing.run()
    before, page = showing.stored(), showing.page()
    showing.data["sources"][0]["label"] = "renamed"
    showing.data["truths"][0]["label"] = "also renamed"
    shown = showing.run()
    assert shown.drawn == 0 and showing.stored() == before
    assert [one["label"] for one in showing.page()["sources"]] == ["renamed", "elsewhere", "also renamed"]
    assert showing.page()["animations"] == page["animations"]


def test_no_label_is_in_what_is_kept(showing):
    showing.data["sources"][0]["label"] = "UNMISTAKABLE"
    showing.run()
    for path in showing.store.rglob("*"):
        assert "UNMISTAKABLE" not in path.name and (path.is_dir() or b"UNMISTAKABLE" not in path.read_bytes())


def test_a_new_domain_draws_only_that_domain(showing):
    showing.run()
    before = showing.stored()
    showing.data["domains"].append({"name": "west", "extent": [-2.5, 0, 49.5, 52.5], "projection": "orthographic"})
    assert showing.run().drawn == 5
    now = showing.stored()
    assert {name: now[name] for name in before} == before
    assert all("_west-" in name for name in now.keys() - before.keys())


def test_a_station_draws_time_series_only(showing):
    showing.run()
    showing.data["stations"].append({"name": "there", "lat": 50.0, "lon": 1.0})
    assert showing.run().drawn == 3
    assert showing.run().meteograms == 2


def test_another_speed_makes_animations_of_the_same_frames(showing):
    showing.run()
    before = showing.stored()
    showing.data["frames_per_second"] = 5
    assert showing.run().drawn == 0
    made = showing.stored().keys() - before.keys()
    assert len(made) == 5 and all(name.endswith(".5fps.webp") for name in made)


def test_replaced_files_are_drawn_again(showing):
    showing.run()
    showing.add_forecasts({"T_2M": temperatures(3)})
    showing.data["sources"].pop()
    shown = showing.run()
    assert shown.drawn == 3
    assert colours_in(frames_of_newest(showing)) == [
        colour_of(scale_of("T_2M"), 276.65),
        colour_of(scale_of("T_2M"), 281),
    ]


def frames_of_newest(show):
    paths = [path for path in show.store.glob("forecasts*/*/T_2M_england*.js") if "minus" not in path.name]
    return read_frames(max(paths, key=lambda path: path.stat().st_mtime_ns)).frames[0]


def test_a_run_id_with_a_slash_goes_through_every_path(showing):
    showing.run()
    assert "/" in RUN_ID
    folders = {path.name for path in showing.store.iterdir()}
    assert SAFE_ID in folders and not any(path.name == "89abcdef" for path in showing.store.rglob("*"))
    page = showing.page()
    own = [one for one in page["animations"] if one["source"] == "s0"]
    assert {one["file"] for one in own} > {f"showcase/{SAFE_ID}/202401100000_T_2M_england.js"}
    for one in own:
        assert (showing.results / one["file"]).is_file()
        assert one["films"] and all((showing.results / film).is_file() for film in one["films"])


def test_two_runs_of_one_environment_do_not_share_files(showing):
    showing.add_run({"T_2M": temperatures(6)}, "second", RUN_ID.replace("89abcdef", "fedcba98"))
    showing.run()
    own = [
        one["file"] for one in showing.page()["animations"] if one["source"] in ("s0", "s2") and one["truth"] is None
    ]
    first, second = (read_frames(showing.results / name) for name in own)
    assert first.frames != second.frames


def test_results_are_hard_links_and_no_symbolic_ones(showing, tmp_path):
    showing.run()
    files = [path for path in showing.results.rglob("*") if path.is_file()]
    assert files and not any(path.is_symlink() for path in showing.results.rglob("*"))
    inodes = {path.stat().st_ino for path in showing.store.rglob("*") if path.is_file()}
    linked = [path for path in files if path.suffix in (".js", ".webp")]
    assert len(linked) == 10 and {path.stat().st_ino for path in linked} < inodes


def test_where_links_cannot_be_made_files_are_copies(showing, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no links here")

    showing.run()
    shutil.rmtree(showing.results)
    monkeypatch.setattr(os, "link", refuse)
    assert showing.run().animations == 5
    inodes = {path.stat().st_ino for path in showing.store.rglob("*") if path.is_file()}
    copied = [path for path in showing.results.rglob("*.js")]
    assert len(copied) == 5 and not {path.stat().st_ino for path in copied} & inodes


def test_what_is_not_shown_any_more_leaves_the_results(showing):
    showing.run()
    foreign = showing.results / "showcase" / "mine.txt"
    foreign.write_text("of a user")
    showing.data["sources"].pop()
    showing.run()
    assert not list((showing.results / "showcase").glob("forecasts*/*"))
    assert foreign.exists() and list((showing.results / "showcase" / SAFE_ID).glob("*.js"))


def test_meteograms_are_drawn_again_only_where_they_change(showing):
    showing.run()
    (picture,) = (showing.results / "showcase" / "meteograms").glob("*.png")
    before = picture.stat().st_mtime_ns
    showing.run()
    assert picture.stat().st_mtime_ns == before and picture.name == "202401100000_here.png"
    showing.data["sources"][0]["label"] = "renamed"
    showing.run()
    assert picture.stat().st_mtime_ns > before


def test_without_truth_and_without_baselines(tmp_path, showing):
    showing.data["truths"] = []
    shown = showing.run()
    assert (shown.problems, shown.animations, shown.meteograms) == ([], 2, 1)


def test_a_missing_forecast_is_named_and_ends_nothing(showing):
    showing.data["times"].insert(0, {"init_time": "202401090000"})
    shown = showing.run()
    assert shown.animations == 5 and shown.meteograms == 1
    assert "first 202401090000: there is no forecast" in shown.problems


def test_a_lead_time_that_is_missing_is_a_frame_that_says_so(showing):
    for source in showing.data["sources"]:
        source["lead_times"] = [0.0, 3.0, 6.0]
    showing.run()
    frames = frames_of(showing, "forecaster")
    assert [bool(frame) for frame in frames.frames] == [True, False, True]
    film = Image.open(next(showing.results.glob("showcase/forecaster*/*_england.webp")))
    assert film.n_frames == 3


def test_a_param_that_a_source_lacks_is_named_and_left_out(showing):
    pressure = np.linspace(99000, 102000, 4 * LONGITUDES.size).reshape(4, -1)
    showing.data["params"] = ["T_2M", "PMSL"]
    showing.add_forecasts({"T_2M": temperatures(), "PMSL": pressure}, "third")
    shown = showing.run()
    assert "first 202401100000: PMSL: there is no such param" in shown.problems
    page = showing.page()
    assert {one["source"] for one in page["animations"] if one["param"] == "PMSL"} == {"s2"}
    assert shown.meteograms == 1


def test_a_forecast_that_cannot_be_read_is_one_line(showing):
    (root,) = showing.root.glob("elsewhere")
    next(root.iterdir()).write_bytes(b"GRIB is not all it takes")
    shown = showing.run()
    assert (
        len(
            [
                line
                for line in shown.problems
                if line.startswith("elsewhere 202401100000: ") and "no forecast that can be read" in line
            ]
        )
        == 1
    )
    assert shown.animations == 3


@pytest.mark.parametrize("damage", ["", "evalflow_frames(", "// {}\nevalflow_frames({});\n", "// {\nx\n"])
def test_a_damaged_file_of_frames_is_one_line(showing, damage):
    showing.run()
    path = next(path for path in showing.store.glob("forecaster*/*/T_2M*.js") if "minus" not in path.name)
    path.write_text(damage)
    shown = showing.run()
    assert [line for line in shown.problems if str(path) in line and "not a file of frames" in line] == shown.problems
    assert shown.animations == 4


def test_a_folder_of_results_that_cannot_be_written_to_is_one_line(showing):
    showing.results.parent.mkdir(parents=True)
    showing.results.write_text("a file")
    shown = showing.run()
    assert shown.page is None and shown.problems[0].startswith("the showcase is not kept: ")
    assert showing.store.exists()


def test_a_field_that_cannot_be_right_is_named_and_left_out(showing):
    wrong = temperatures()
    wrong[1] = 20.0
    showing.add_forecasts({"T_2M": wrong}, "third")
    shown = showing.run()
    assert [line for line in shown.problems if "out of range" in line or "everywhere" in line]
    frames = [read_frames(p) for p in showing.store.glob("forecasts-thi/*/T_2M_england-*.js") if "minus" not in p.name]
    assert [bool(frame) for frame in frames[0].frames] == [True, False, True, True]


def test_amounts_of_rain_begin_where_they_can(showing):
    rain = np.cumsum(np.full((4, LONGITUDES.size), 2.0) + LONGITUDES, axis=0).clip(0).astype(np.float32)
    showing.data["params"] = ["TOT_PREC6", "TOT_PREC"]
    showing.data["truths"] = []
    showing.add_forecasts({"TOT_PREC": rain}, "third")
    showing.run()
    frames = {
        path.name.partition("_england")[0]: read_frames(path) for path in showing.store.glob("forecasts-thi/*/TOT*.js")
    }
    assert {name: one.lead_times for name, one in frames.items()} == {"TOT_PREC6": [6, 12, 18], "TOT_PREC": [6, 12, 18]}
    assert all(all(one.frames) for one in frames.values())
