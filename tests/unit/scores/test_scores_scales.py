"""How much of a gain is smoothing: box averages tell a smoothed forecast from a better one."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from evalflow.scores.aggregate import aggregate
from evalflow.scores.boxes import cut_boxes, usable_scales
from evalflow.scores.names import Score
from evalflow.scores.series import Wanted, gather
from evalflow.scores.strata import Stratum
from evalflow.scores.sums import Points, Sums, collect, measure
from scipy.ndimage import uniform_filter

SIZE = 120
INITS = tuple(datetime(2020, 1, 1) + timedelta(days=day) for day in range(12))
DEGREE = 6371.0 * np.pi / 180


def gains(candidate, reference, truth) -> list[float]:
    """Return the gain in MSE in percent: at the grid, over boxes of 10 × 10 and 40 × 40 points."""
    # Points 0.1 degrees apart around the equator, where boxes are squares of about so many
    # kilometres.
    latitudes, longitudes = (axis.ravel() * 0.1 for axis in np.mgrid[0:SIZE, 0:SIZE])
    scales = (1.0 * DEGREE, 4.0 * DEGREE)
    boxes = {scale: cut_boxes(latitudes - 6, longitudes, scale) for scale in scales}
    points = Points(SIZE**2, np.array([0]), boxes=boxes)
    series = []
    wanted = Wanted(INITS, (timedelta(0),), ("all",), scales=scales)
    for forecasts in (reference, candidate):
        files = []
        for init, f, o in zip(INITS, forecasts, truth, strict=True):
            fields = {timedelta(0): measure(points, f.ravel().astype(np.float32), o.ravel().astype(np.float32))}
            files.append(Sums(init, SIZE**2, {"all": np.array([True])}, {"T_2M": collect(fields, "K")}))
        series.append(gather(files, ["T_2M"], wanted)["T_2M"])
    chosen = [Score("MSE", scale=scale) for scale in (0.0, *scales)]
    blocks = aggregate(series, chosen, [Stratum()], references=[0])
    return [-float(block.differences[0].relative[1, 0, 0, 0]) for block in blocks]


@pytest.fixture(scope="module")
def weather():
    """Return truths and errors of small and of large scale, [inits, SIZE, SIZE]."""
    rng = np.random.default_rng(0)
    fields = rng.standard_normal((3, len(INITS), SIZE, SIZE))
    small, large = uniform_filter(fields[0], (0, 3, 3)), uniform_filter(fields[1], (0, 50, 50), mode="wrap")
    return fields[2] + 5 * large, small / small.std(), large / large.std()


def test_a_gain_by_smoothing_is_gone_at_the_coarsest_scale(weather):
    # The candidate is the reference with its small scales filtered away. Not a single large-scale
    # error is less.
    truth, small, large = weather
    smooth = uniform_filter(truth, (0, 15, 15), mode="wrap")
    reference = smooth + small + large
    candidate = uniform_filter(reference, (0, 9, 9), mode="wrap")
    at_grid, at_10, at_40 = gains(candidate, reference, smooth + 0.3 * (truth - smooth))
    assert at_grid > 25
    assert at_10 < at_grid / 3
    assert abs(at_40) < 2


def test_a_candidate_without_small_scale_error_keeps_its_gain(weather):
    truth, _, large = weather
    at_grid, at_10, at_40 = gains(truth + 0.8 * large, truth + large, truth)
    assert [at_grid, at_10, at_40] == pytest.approx([36, 36, 36], abs=0.5)


def test_scales_below_three_spacings_are_left_out():
    assert usable_scales([200, 50, 50, 33], spacing=11.1) == [50, 200]
    assert usable_scales([30], spacing=10) == [30]
    assert usable_scales([50, 200], spacing=100) == []


@pytest.mark.parametrize("scale", [50.0, 200.0, 1000.0])
def test_boxes_have_about_the_size_that_they_are_named_for(scale):
    rng = np.random.default_rng(0)
    # Even on the sphere: each point stands for one area.
    latitudes, longitudes = np.rad2deg(np.arcsin(rng.uniform(-1, 1, 200_000))), rng.uniform(-180, 180, 200_000)
    boxes = cut_boxes(latitudes, longitudes, scale)
    assert (np.unique(boxes) == np.arange(boxes.max() + 1)).all()
    sphere = 4 * np.pi * 6371**2
    if scale >= 200:
        assert boxes.max() + 1 == pytest.approx(sphere / scale**2, rel=0.03)
    middle = np.abs(latitudes) < 60
    if scale == 1000:
        assert np.std(np.bincount(boxes[middle])[np.unique(boxes[middle])]) < 0.2 * 200_000 / (boxes.max() + 1)


def test_boxes_at_the_seam_and_the_poles():
    # 359.9° and −0.1° are one place; neither a hair west of 0° nor a pole is a box of its own.
    assert len(set(cut_boxes([47, 47, 47.0], [359.9, -0.1, -1e-15], 50.0))) == 1
    for pole in (-90.0, 90.0):
        assert len(set(cut_boxes([pole, 0.999 * pole], [3, 3.0], 50.0))) == 1
    assert len(set(cut_boxes([90.0] * 360, range(360), 50.0))) <= 4
    assert len(set(cut_boxes([46.9, 47.9], [8, 8.0], 50.0))) == 2


def test_boxes_do_not_depend_on_the_domain():
    rng = np.random.default_rng(1)
    latitudes, longitudes = rng.uniform(45, 50, 500), rng.uniform(5, 15, 500)
    whole, part = cut_boxes(latitudes, longitudes, 100.0), cut_boxes(latitudes[:200], longitudes[:200], 100.0)
    together = whole[:200, None] == whole[:200]
    assert (together == (part[:, None] == part)).all()
