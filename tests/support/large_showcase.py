"""Draws an animation of 227,000 points at 900 × 700 in one of two ways, for tools/bench.py.

    large_showcase.py rasters|contours FRAMES FOLDER

`rasters` is evalflow's way. `contours` stands for the predecessor's: contours of a triangulation and coastlines by
matplotlib, one PNG for each frame, and a GIF of them.
"""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
from evalflow.drawing.background import lines, pieces
from evalflow.drawing.colours import scale_of
from evalflow.drawing.domains import Domain, View
from evalflow.drawing.raster import Raster
from evalflow.fields.grids import Grid
from evalflow.showcase.films import write_film
from evalflow.showcase.frames import Canvas, draw_lines_over, make_frame_file, read_frames, write_frames
from scipy.ndimage import gaussian_filter

ROWS, COLUMNS = 432, 525
DOMAIN = Domain("icon", (0.0, 17.5, 42.0, 51.0))


def grid() -> Grid:
    """Return scattered points: those of a regular grid, and none exactly there."""
    lats, lons = np.meshgrid(np.linspace(42, 51, ROWS), np.linspace(0, 17.5, COLUMNS), indexing="ij")
    random = np.random.default_rng(1)
    parts = [part.ravel() + random.uniform(-0.005, 0.005, part.size) for part in (lats, lons)]
    return Grid(parts[0], parts[1], "unstructured")


def fields(count: int) -> Iterator[np.ndarray]:
    """Yield temperatures in K with large and small scales, which move."""
    random = np.random.default_rng(0)
    noise = [gaussian_filter(random.normal(size=(ROWS, COLUMNS)), size) for size in (25, 5, 1.5)]
    for number in range(count):
        moved = [np.roll(one, 3 * number, axis=1) for one in noise]
        yield (280 + 150 * moved[0] + 12 * moved[1] + 3 * moved[2]).ravel().astype(np.float32)


def draw_rasters(count: int, folder: Path) -> None:
    """Draw frames for the player and an animated WebP."""
    view, scale = View(DOMAIN), scale_of("T_2M")
    raster, canvas = Raster(grid(), view), Canvas(View(DOMAIN), scale)
    for values in fields(count):
        canvas.add(raster.spread(values))
    leads = [timedelta(hours=number) for number in range(count)]
    frames = make_frame_file(canvas, draw_lines_over(view, None), "T_2M", "2 m temperature", "202401010000", leads, [])
    write_frames(folder / "frames.js", frames)
    write_film(folder / "film.webp", read_frames(folder / "frames.js"), 2)


def draw_contours(count: int, folder: Path) -> None:
    """Draw contours, a PNG for each frame, and a GIF of them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.tri import Triangulation
    from PIL import Image

    view, scale, points = View(DOMAIN), scale_of("T_2M"), grid()
    x, y = view.to_pixels(points.latitudes, points.longitudes)
    triangles = Triangulation(x, y)
    paths = []
    for number, values in enumerate(fields(count)):
        figure = Figure(figsize=(9, 7), dpi=100)
        FigureCanvasAgg(figure)
        axis = figure.add_axes((0, 0.08, 1, 0.86))
        drawn = axis.tricontourf(triangles, scale.shown(values), levels=scale.bounds, colors=scale.colours[1:-1])
        for some in lines():
            for line in some:
                for part in pieces(view, line):
                    axis.plot(part[:, 0], part[:, 1], color="k", lw=0.6)
        axis.set(xlim=(0, view.width), ylim=(view.height, 0), title=f"+{number} h")
        figure.colorbar(drawn, cax=figure.add_axes((0.05, 0.03, 0.9, 0.02)), orientation="horizontal")
        paths.append(folder / f"{number:03}.png")
        figure.savefig(paths[-1])
    pictures = [Image.open(path).convert("RGB") for path in paths]
    pictures[0].save(folder / "film.gif", save_all=True, append_images=pictures[1:], duration=500, loop=0)


if __name__ == "__main__":
    {"rasters": draw_rasters, "contours": draw_contours}[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))
