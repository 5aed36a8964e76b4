"""Animations as files: number, order, legend, missing frames; isolines and wind."""

import shutil
import subprocess
from datetime import timedelta

import numpy as np
import pytest
from evalflow.drawing.colours import scale_of
from evalflow.drawing.domains import Domain, View
from evalflow.errors import UserError
from evalflow.showcase.films import write_film
from evalflow.showcase.frames import Canvas, draw_lines_over, isolines, make_frame_file, smooth
from evalflow.showcase.winds import _barb, on_map
from PIL import Image, ImageDraw

VIEW = View(Domain("x", (0, 10, 40, 50), "platecarree"), 200, 200)
SCALE = scale_of("T_2M")


def frames_of(values, leads=None):
    canvas = Canvas(VIEW, SCALE)
    for value in values:
        canvas.add(None if value is None else np.full(VIEW.shape, value, np.float32))
    leads = [timedelta(hours=6 * number) for number in range(len(values))] if leads is None else leads
    lines = draw_lines_over(VIEW, None)
    return make_frame_file(canvas, lines, "T_2M", "2 m temperature", "202401100000", leads, [])


def middle(image, place):
    image.seek(place)
    return image.convert("RGB").getpixel((17, 100))


def rgb(value):
    colour = SCALE.colours[SCALE.classes(np.array([value], np.float32))[0] - 1]
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))


def test_webp_has_all_frames_in_their_order(tmp_path):
    values = [263.0, 273.5, 283.0, 293.0, 283.0]
    write_film(tmp_path / "a.webp", frames_of(values), 4)
    film = Image.open(tmp_path / "a.webp")
    assert (film.format, film.n_frames, film.info["loop"]) == ("WEBP", 5, 0)
    assert [middle(film, place) for place in range(5)] == [rgb(value) for value in values]
    film.load()
    assert film.info["duration"] == 250


def test_equal_frames_stay_frames(tmp_path):
    write_film(tmp_path / "a.webp", frames_of([283.0] * 4), 2)
    assert Image.open(tmp_path / "a.webp").n_frames == 4  # their titles differ


def test_gif_has_all_frames(tmp_path):
    write_film(tmp_path / "a.gif", frames_of([263.0, 283.0, 293.0]), 2)
    film = Image.open(tmp_path / "a.gif")
    assert (film.format, film.n_frames) == ("GIF", 3)
    for place, value in enumerate([263.0, 283.0, 293.0]):
        assert np.abs(np.subtract(middle(film, place), rgb(value))).max() < 12


def test_a_frame_without_a_field_says_so(tmp_path):
    write_film(tmp_path / "a.webp", frames_of([283.0, None]), 2)
    film = Image.open(tmp_path / "a.webp")
    film.seek(1)
    there = np.asarray(film.convert("L"))[100:150, :200]
    assert middle(film, 1) == (0xE4, 0xE7, 0xEB)
    assert (there < 160).sum() > 50, "some text"


def test_the_legend_has_all_colours(tmp_path):
    write_film(tmp_path / "a.webp", frames_of([283.0]), 2)
    row = np.asarray(Image.open(tmp_path / "a.webp").convert("RGB"))[30 + VIEW.height + 14]
    found = list(dict.fromkeys("#{:02x}{:02x}{:02x}".format(*pixel) for pixel in row[12:-12]))
    assert found == list(dict.fromkeys(SCALE.colours))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on this machine")
def test_mp4_has_all_frames(tmp_path):
    write_film(tmp_path / "a.mp4", frames_of([263.0, 283.0, 293.0]), 2)
    words = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]
    assert subprocess.run([*words, str(tmp_path / "a.mp4")], capture_output=True, text=True).stdout.strip() == "3"


def fake_ffmpeg(folder, script):
    folder.mkdir()
    (folder / "ffmpeg").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ffmpeg").chmod(0o755)


def test_ffmpeg_gets_all_pictures(tmp_path, monkeypatch):
    fake_ffmpeg(tmp_path / "bin", 'for last; do :; done; cat > "$last"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    write_film(tmp_path / "a.mp4", frames_of([263.0, 283.0, 293.0]), 2)
    assert (tmp_path / "a.mp4").read_bytes().count(b"P6\n") == 3


def test_ffmpeg_that_fails_or_is_not_there_is_one_line(tmp_path, monkeypatch):
    fake_ffmpeg(tmp_path / "bin", "cat > /dev/null; echo first >&2; echo no such codec >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(UserError, match="^mp4: ffmpeg failed: no such codec$"):
        write_film(tmp_path / "a.mp4", frames_of([263.0]), 2)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no ffmpeg on PATH"):
        write_film(tmp_path / "a.mp4", frames_of([263.0]), 2)
    assert not list(tmp_path.glob("*.mp4"))


def test_isolines_are_where_a_slope_crosses_them():
    shown = np.tile(np.linspace(1000.5, 1020.5, 201, dtype=np.float32), (50, 1))
    columns = np.flatnonzero(isolines(shown, 4)[10])
    np.testing.assert_allclose(shown[10, columns], [1004, 1008, 1012, 1016, 1020], atol=0.11)


def test_isolines_end_where_the_field_ends():
    shown = np.full((20, 40), np.nan, np.float32)
    shown[:, :20] = 1000
    assert not isolines(shown, 4).any()


def test_smoothing_keeps_means_and_edges():
    blocks = np.kron(np.random.default_rng(1).normal(1000, 5, (8, 8)), np.ones((20, 20))).astype(np.float32)
    blocks[:, 120:] = np.nan
    found = smooth(blocks)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(blocks))
    assert np.nanmean(found) == pytest.approx(np.nanmean(blocks), rel=1e-3)
    assert np.nanmax(np.abs(np.diff(found, axis=1))) < np.nanmax(np.abs(np.diff(blocks, axis=1))) / 5


@pytest.mark.parametrize("projection", ["platecarree", "orthographic", "rotatedlatlon", "azimuthalequidist"])
def test_winds_point_along_meridians_and_parallels(projection):
    view = View(Domain("x", (-20, 40, 40, 70), projection), 200, 200)
    zero, one = np.zeros(view.shape), np.ones(view.shape)
    for lat, lon in [(45.0, -10.0), (55.0, 10.0), (65.0, 30.0)]:
        x, y = view.to_pixels(np.array([lat]), np.array([lon]))
        place = round(float(y[0])), round(float(x[0]))
        north = view.to_pixels(np.array([lat + 0.5]), np.array([lon]))
        right, down = on_map(view, zero, one)
        toward = np.array([north[0][0] - x[0], north[1][0] - y[0]])
        toward /= np.hypot(*toward)
        np.testing.assert_allclose([right[place], down[place]], toward, atol=0.03)
        east = view.to_pixels(np.array([lat]), np.array([lon + 0.5]))
        right, down = on_map(view, one, zero)
        toward = np.array([east[0][0] - x[0], east[1][0] - y[0]])
        toward /= np.hypot(*toward)
        np.testing.assert_allclose([right[place], down[place]], toward, atol=0.06)


def test_calm_has_no_direction():
    right, down = on_map(VIEW, np.zeros(VIEW.shape), np.zeros(VIEW.shape))
    assert np.isnan(right).all() and np.isnan(down).all()


@pytest.mark.parametrize(("knots", "feathers"), [(20, True), (65, True), (1, False)])
def test_barbs_of_a_west_wind_reach_west_and_have_feathers_to_the_north(knots, feathers):
    image = Image.new("1", (101, 101))
    _barb(ImageDraw.Draw(image), 50, 50, (1.0, 0.0), knots)
    rows, columns = np.nonzero(np.asarray(image))
    if not feathers:
        assert columns.min() >= 48 and rows.max() - rows.min() <= 4, "a ring: calm"
        return
    assert columns.min() < 31 and columns.max() == 50
    assert rows.min() < 45 and rows.max() <= 51
    assert columns[rows < 46].max() < 40, "feathers stand where the wind comes from"
