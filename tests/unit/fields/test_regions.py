"""Regions: boxes, GeoJSON, shapefiles; which points lie in them, seam and poles included; files that are of no use."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import shapefile
import shapely
from evalflow.errors import UserError
from evalflow.fields.points.regions import Region, RegionSpec, each_once, find_region_file, read_region
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer

LV95_OF_ESRI = (
    'PROJCS["CH1903+_LV95",GEOGCS["GCS_CH1903+",DATUM["D_CH1903+",SPHEROID["Bessel_1841",6377397.155,299.1528128]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Hotine_Oblique_Mercator_Azimuth_Center"],'
    'PARAMETER["False_Easting",2600000.0],PARAMETER["False_Northing",1200000.0],PARAMETER["Scale_Factor",1.0],'
    'PARAMETER["Azimuth",90.0],PARAMETER["Longitude_Of_Center",7.43958333333333],'
    'PARAMETER["Latitude_Of_Center",46.9524055555556],UNIT["Meter",1.0]]'
)
SQUARE = [[6, 45], [8, 45], [8, 47], [6, 47], [6, 45]]
HOLE = [[6.5, 45.5], [6.5, 46], [7, 46], [7, 45.5], [6.5, 45.5]]
ISLAND = [[10, 40], [11, 40], [11, 41], [10, 41], [10, 40]]


def box(*sides: float, name: str = "box") -> Region:
    return read_region(RegionSpec(name, box=sides))


def geojson(folder: Path, data: object, name: str = "mine.geojson") -> Region:
    path = folder / name
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return read_region(RegionSpec("mine", file=path))


def polygon(*rings: list) -> dict:
    return {"type": "Polygon", "coordinates": list(rings)}


def feature(geometry: dict | None) -> dict:
    return {"type": "Feature", "properties": {"name": "x"}, "geometry": geometry}


def write_shapefile(
    folder: Path, rings: list, prj: str | None = None, name: str = "mine", kind=shapefile.POLYGON
) -> RegionSpec:
    with shapefile.Writer(folder / name, shapeType=kind) as writer:
        writer.field("name", "C")
        if kind == shapefile.POLYGON:
            writer.poly(rings)
        elif kind == shapefile.POLYGONZ:
            writer.polyz([[[*place, 400.0] for place in ring] for ring in rings])
        else:
            writer.line(rings)
        writer.record("ä")
        writer.null()
        writer.record("nothing")
    if prj:
        (folder / f"{name}.prj").write_text(prj)
    return RegionSpec(name, file=folder / f"{name}.shp")


def inside(region: Region, *places: tuple[float, float]) -> list[bool]:
    """Which places (longitude, latitude) lie in a region."""
    longitudes, latitudes = np.array(places, float).T
    return region.contains(latitudes, longitudes).tolist()


# Boxes


def test_a_box_holds_its_sides():
    region = box(5, 16, 43.5, 48.5)
    assert (
        inside(region, (5, 43.5), (16, 48.5), (10, 45), (4.99, 45), (16.01, 45), (10, 48.51))
        == [True] * 3 + [False] * 3
    )


def test_the_side_of_a_box_holds_points_in_single_precision():
    steps = np.arange(0, 60, 0.1)
    north, east = np.meshgrid(steps.astype(np.float32), (steps + 100).astype(np.float32), indexing="ij")
    region = box(110.1, 133.3, 10.3, 20.7)
    assert region.contains(north, east).sum() == 105 * 233


@pytest.mark.parametrize("sides", [(170, -170, -10, 10), (170, 190, -10, 10), (-190 + 360, -170, -10, 10)])
def test_a_box_across_the_date_line(sides):
    places = [(170, 0), (179.99, 0), (180, 0), (-180, 0), (-170, 0), (190, 0), (169.9, 0), (-169.9, 0), (0, 0)]
    assert inside(box(*sides), *places) == [True] * 6 + [False] * 3


@pytest.mark.parametrize("sides", [(-180, 180, -90, 90), (0, 360, -90, 90)])
def test_a_box_all_round(sides):
    assert all(inside(box(*sides), (0, 0), (-180, 90), (179.9999, -90), (180, 1), (360, 1), (-0.0001, 1)))


@pytest.mark.parametrize(
    ("sides", "there", "not_there"),
    [
        ((-170, 170, -20, 20), [-170, -100, 0, 100, 170], [-175, 175, 180]),
        ((-100, 100, -20, 20), [-100, 0, 99], [-101, 101, 180]),
        ((100, -100 + 300, -20, 20), [100, 180, -170, -160], [0, 99, -159]),
        ((10, 350, -20, 20), [10, 100, 180, -100, -10], [0, -9, 9]),
        ((20, 10, -20, 20), [20, 100, 180, -100, 0, 10], [11, 15, 19]),
    ],
)
def test_a_box_wider_than_half_the_globe(sides, there, not_there):
    region = box(*sides)
    assert inside(region, *[(x, 0) for x in there]) == [True] * len(there)
    assert inside(region, *[(x, 0) for x in not_there]) == [False] * len(not_there)


def test_a_wide_polygon_with_vertices_between_and_one_that_may_be_meant_either_way(tmp_path):
    ring = [[-120, -20], [0, -20], [120, -20], [120, 20], [0, 20], [-120, 20], [-120, -20]]
    region = geojson(tmp_path, polygon(ring))
    assert inside(region, (0, 0), (-119, 0), (119, 0), (180, 0), (130, 0)) == [True, True, True, False, False]
    assert region.digest != box(-120, 120, -20, 20).digest  # it has more vertices: another polygon
    ring = [[x, y] for x, y in ring if x]
    with pytest.raises(
        UserError, match="mine.geojson: a side from -120 to 120 degrees east may be meant either way round; add a"
    ):
        geojson(tmp_path, polygon(ring))


def test_a_box_that_begins_in_the_west_and_is_given_to_360():
    assert inside(box(350, 10, 40, 50), (355, 45), (-5, 45), (5, 45), (11, 45)) == [True, True, True, False]
    assert inside(box(200, 300, 40, 50), (-100, 45), (260, 45), (0, 45)) == [True, True, False]
    assert box(200, 300, 40, 50).digest == box(-160, -60, 40, 50).digest


@pytest.mark.parametrize(
    ("sides", "reason"),
    [
        ((5, 16, 48, 43), r"needs -90 <= south < north <= 90; a box is \[west, east, south, north\]"),
        ((5, 16, 43, 91), "needs -90 <= south"),
        ((5, 5, 43, 48), "must be wider than 0 and at most 360 degrees"),
        ((-180, 200, 43, 48), "must be wider than 0 and at most 360 degrees"),
        ((5, float("nan"), 43, 48), "longitudes must be numbers from -180 to 360"),
        ((5, 1600, 43, 48), "longitudes must be numbers from -180 to 360"),
        ((5, 16, 43, float("nan")), "must be numbers"),
    ],
)
def test_a_box_that_is_none(sides, reason):
    with pytest.raises(UserError, match=rf"^region box: box \[.*\]: .*{reason}") as caught:
        box(*sides)
    assert "\n" not in str(caught.value)


def test_the_name_of_the_whole_domain_is_taken():
    with pytest.raises(
        UserError, match="^region all: this is the name of the whole domain; give the region another one$"
    ):
        box(5, 16, 43, 48, name="all")


# GeoJSON

FORMS = {
    "geometry": polygon(SQUARE, HOLE),
    "feature": feature(polygon(SQUARE, HOLE)),
    "collection": {"type": "FeatureCollection", "features": [feature(None), feature(polygon(SQUARE, HOLE))]},
    "geometries": {
        "type": "GeometryCollection",
        "geometries": [
            {"type": "Point", "coordinates": [0, 0]},
            {"type": "GeometryCollection", "geometries": [polygon(SQUARE, HOLE)]},
            {"type": "LineString", "coordinates": [[0, 0], [20, 60]]},
        ],
    },
    "elevations": polygon(*[[[*place, 500] for place in ring] for ring in (SQUARE, HOLE)]),
    "other way round": polygon(SQUARE[::-1], HOLE[::-1]),
    "from another vertex": polygon(SQUARE[2:] + SQUARE[1:3], HOLE[1:] + HOLE[1:2]),
    "east of 360": polygon([[x + 360, y] for x, y in SQUARE], [[x + 360, y] for x, y in HOLE]),
    "named crs": polygon(SQUARE, HOLE)
    | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_square_with_a_hole_however_it_is_written(tmp_path, form):
    region = geojson(tmp_path, FORMS[form])
    places = [(6.2, 45.2), (7.5, 46.5), (6.75, 45.75), (5.9, 46), (7, 47.1), (6, 45), (6.5, 45.5), (0, 0), (10, 50)]
    assert inside(region, *places) == [True, True, False, False, False, True, True, False, False]
    assert region.digest == geojson(tmp_path, FORMS["geometry"], "reference.geojson").digest


def test_several_polygons_are_one_region(tmp_path):
    multi = {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [ISLAND]]}
    two = {"type": "FeatureCollection", "features": [feature(polygon(ISLAND)), feature(polygon(SQUARE, HOLE))]}
    one, other = geojson(tmp_path, multi), geojson(tmp_path, two, "two.json")
    assert one.digest == other.digest
    for region in (one, other):
        assert inside(region, (6.2, 45.2), (10.5, 40.5), (9, 43), (6.75, 45.75)) == [True, True, False, False]


def test_polygons_that_overlap_count_once(tmp_path):
    two = {"type": "MultiPolygon", "coordinates": [[SQUARE], [[[x + 1, y + 1] for x, y in SQUARE]]]}
    assert inside(geojson(tmp_path, two), (6.5, 45.5), (7.5, 46.5), (8.5, 47.5), (8.5, 45.5)) == [True] * 3 + [False]


def test_a_byte_order_mark(tmp_path):
    assert inside(geojson(tmp_path, "\ufeff" + json.dumps(polygon(SQUARE))), (7, 46)) == [True]


def test_sides_that_cross_are_repaired(tmp_path):
    bow_tie = [[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]
    assert inside(geojson(tmp_path, polygon(bow_tie)), (0.2, 1), (1.8, 1), (1, 0.2), (1, 1.8)) == [
        True,
        True,
        False,
        False,
    ]


def test_the_box_and_the_same_polygon_are_the_same(tmp_path):
    region = geojson(tmp_path, polygon(SQUARE))
    assert region.digest == box(6, 8, 45, 47).digest
    assert region.digest != box(6, 8, 45, 47.00001).digest


FIJI = [[177, -20], [183, -20], [183, -15], [177, -15], [177, -20]]


@pytest.mark.parametrize(
    "written",
    [
        polygon(FIJI),
        polygon([[x - 360 if x > 180 else x, y] for x, y in FIJI]),
        polygon([[x - 360, y] for x, y in FIJI]),
        {
            "type": "MultiPolygon",
            "coordinates": [
                [[[177, -20], [180, -20], [180, -15], [177, -15], [177, -20]]],
                [[[-180, -20], [-177, -20], [-177, -15], [-180, -15], [-180, -20]]],
            ],
        },
    ],
)
def test_a_polygon_across_the_date_line_in_each_way_of_writing(tmp_path, written):
    places = [(178, -17), (179.9999, -17), (180, -17), (-178, -17), (182, -17), (176, -17), (-176, -17), (0, -17)]
    assert inside(geojson(tmp_path, written), *places) == [True] * 5 + [False] * 3


def test_a_hole_across_the_date_line(tmp_path):
    ring = [[179, -18], [-179, -18], [-179, -17], [179, -17], [179, -18]]
    east = [[-178.5, -18], [-178, -18], [-178, -17], [-178.5, -17], [-178.5, -18]]
    outer = [[x - 360 if x > 180 else x, y] for x, y in FIJI]
    region = geojson(tmp_path, polygon(outer, ring, east))
    places = [(178, -17.5), (179.5, -17.5), (-179.5, -17.5), (-178.2, -17.5), (-177.5, -17.5)]
    assert inside(region, *places) == [True, False, False, False, True]


def test_polygons_round_a_pole(tmp_path):
    arctic = geojson(tmp_path, polygon([[0, 60], [90, 60], [180, 60], [-90, 60], [0, 60]]))
    every = [(x, 89) for x in range(-180, 180, 20)]
    assert all(inside(arctic, *every, (0, 90), (179.99, 61), (-45, 60.1)))
    assert not any(inside(arctic, (0, 59), (-179, 59), (0, -89)))
    around = [[x, -65 + 3 * np.sin(x)] for x in range(-180, 180, 15)]
    antarctic = geojson(tmp_path, polygon([*around, around[0]]), "south.json")
    assert all(inside(antarctic, (0, -90), (100, -80), (-172, -70)))
    assert not any(inside(antarctic, (0, -60), (-172, -60), (0, 90)))
    along_the_seam = [[-180, -90], [-180, -70], [0, -65], [180, -70], [180, -90], [-180, -90]]
    assert inside(
        geojson(tmp_path, polygon(along_the_seam), "seam.json"), (0, -66), (0, -64), (180, -71), (77, -90)
    ) == [
        True,
        False,
        True,
        True,
    ]


def test_a_ring_between_two_parallels(tmp_path):
    outer, inner = ([[x, y] for x in (0, 90, 180, -90, 0)] for y in (60, 80))
    region = geojson(tmp_path, polygon(outer, [[x + 10, y] for x, y in inner]))
    assert inside(region, (5, 70), (-5, 70), (180, 79), (5, 81), (-5, 85), (0, 90), (3, 59)) == [True] * 3 + [False] * 4


# Shapefiles


def lv95_oracle(rings: list, latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
    """Which points lie in rings of LV95: the points are projected, not the rings."""
    to = Transformer.from_crs(4326, 2056, always_xy=True)
    return shapely.contains_xy(shapely.Polygon(rings[0], rings[1:]), *to.transform(longitudes, latitudes))


SWISS = [
    [[2500000, 1080000], [2480000, 1300000], [2830000, 1290000], [2840000, 1100000], [2500000, 1080000]],
    [[2600000, 1150000], [2700000, 1150000], [2700000, 1250000], [2600000, 1250000], [2600000, 1150000]],
]


@pytest.mark.parametrize("prj", [LV95_OF_ESRI, None, CRS.from_epsg(2056).to_wkt()])
@pytest.mark.parametrize("kind", [shapefile.POLYGON, shapefile.POLYGONZ])
def test_a_shapefile_in_lv95_holds_the_points_that_project_into_it(tmp_path, prj, kind):
    region = read_region(write_shapefile(tmp_path, SWISS, prj, kind=kind))
    random = np.random.default_rng(0)
    latitudes, longitudes = random.uniform(45.5, 48.2, 20000), random.uniform(5.5, 11, 20000)
    found = region.contains(latitudes, longitudes)
    expected = lv95_oracle(SWISS, latitudes, longitudes)
    # 11 m: points are rounded to 1e-4 degrees, and long sides are bent within 2 m.
    assert (found != expected).sum() <= 10
    assert 8000 < expected.sum() < 18000


def test_the_prj_holds_whatever_the_coordinates_look_like(tmp_path):
    utm = CRS.from_epsg(32632).to_wkt("WKT1_ESRI")
    ring = [[500000, 5100000], [500000, 5200000], [600000, 5200000], [600000, 5100000], [500000, 5100000]]
    region = read_region(write_shapefile(tmp_path, [ring], utm))
    to = Transformer.from_crs(4326, 32632, always_xy=True)
    random = np.random.default_rng(0)
    latitudes, longitudes = random.uniform(45.5, 47.5, 5000), random.uniform(8.5, 11, 5000)
    expected = shapely.contains_xy(shapely.Polygon(ring), *to.transform(longitudes, latitudes))
    assert (region.contains(latitudes, longitudes) != expected).sum() <= 5
    # LV95 eastings and northings, said to be of another projection: it is believed.
    assert not inside(read_region(write_shapefile(tmp_path, SWISS[:1], utm, "other")), (8, 47))[0]


def test_a_prj_in_capitals_and_a_shapefile_without_its_table(tmp_path):
    utm = CRS.from_epsg(32632).to_wkt("WKT1_ESRI")
    spec = write_shapefile(tmp_path, [[[5e5, 5.1e6], [5e5, 5.2e6], [6e5, 5.2e6], [5e5, 5.1e6]]], utm)
    (tmp_path / "mine.prj").rename(tmp_path / "mine.PRJ")
    for suffix in (".dbf", ".shx"):
        (tmp_path / f"mine{suffix}").unlink()
    assert inside(read_region(spec), (9.3, 46.8), (8.7, 46.8)) == [True, False]


def test_a_polygon_round_the_pole_of_a_polar_projection(tmp_path):
    metres = 2.5e6
    ring = [[-metres, -metres], [-metres, metres], [metres, metres], [metres, -metres], [-metres, -metres]]
    region = read_region(write_shapefile(tmp_path, [ring], CRS.from_epsg(3413).to_wkt("WKT1_ESRI")))
    random = np.random.default_rng(0)
    latitudes, longitudes = np.degrees(np.arcsin(random.uniform(0.7, 1, 20000))), random.uniform(-180, 180, 20000)
    to = Transformer.from_crs(4326, 3413, always_xy=True)
    expected = shapely.contains_xy(shapely.Polygon(ring), *to.transform(longitudes, latitudes))
    assert (region.contains(latitudes, longitudes) != expected).sum() <= 10
    assert inside(region, (12, 90), (0, -90)) == [True, False]


def test_geojson_in_lv95_as_old_programs_write_it(tmp_path):
    named = polygon(*SWISS) | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2056"}}}
    told, assumed = geojson(tmp_path, named), geojson(tmp_path, polygon(*SWISS), "assumed.geojson")
    assert told.digest == assumed.digest == read_region(write_shapefile(tmp_path, SWISS, LV95_OF_ESRI)).digest
    assert inside(told, (8.2, 46), (8.2, 46.9)) == [True, False]


def test_degrees_without_a_prj(tmp_path):
    region = read_region(write_shapefile(tmp_path, [SQUARE[::-1], HOLE[::-1]]))
    assert inside(region, (6.2, 45.2), (6.75, 45.75)) == [True, False]
    assert region.digest == geojson(tmp_path, FORMS["geometry"]).digest


# Names


def test_the_digest_is_of_the_polygons_not_of_the_file(tmp_path):
    first = read_region(write_shapefile(tmp_path, SWISS, LV95_OF_ESRI, "one"))
    again = read_region(write_shapefile(tmp_path, SWISS, LV95_OF_ESRI, "two"))
    moved = read_region(
        write_shapefile(tmp_path, [[[x + 100, y] for x, y in ring] for ring in SWISS], LV95_OF_ESRI, "one")
    )
    assert first.digest == again.digest != moved.digest


def test_a_region_named_twice_is_one():
    assert [one.name for one in each_once([box(1, 2, 3, 4), box(1, 2, 3, 5, name="b"), box(1, 2, 3, 4)])] == [
        "box",
        "b",
    ]
    with pytest.raises(
        UserError, match=r"^two regions are named box: box \[1, 2, 3, 4\] and box \[1, 2, 3, 5\]; rename one of them$"
    ):
        each_once([box(1, 2, 3, 4), box(1, 2, 3, 5)])


def test_the_file_of_a_name(tmp_path):
    for name in ("jura.shp", "jura.shx", "jura.geojson", "alps.geojson", "notes.txt"):
        (tmp_path / name).touch()
    assert find_region_file("jura", tmp_path) == tmp_path / "jura.shp"
    assert find_region_file("alps", tmp_path) == tmp_path / "alps.geojson"
    with pytest.raises(
        UserError, match=rf"^{tmp_path}: has no region jurra \(jurra.shp or jurra.geojson\); regions there: alps, jura$"
    ):
        find_region_file("jurra", tmp_path)
    with pytest.raises(UserError, match="regions there: none$"):
        find_region_file("jura", tmp_path / "absent")


# Files that are of no use: one line each

BAD = {
    "no JSON": ("{", "is no JSON: "),
    "no GeoJSON": ({"type": "Topology", "objects": {}}, 'is no GeoJSON: its type is "Topology"'),
    "a list": ([1], "is no GeoJSON: its type is null"),
    "a line": (
        {"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
        "holds no polygon; a region needs at least one",
    ),
    "nothing": ({"type": "FeatureCollection", "features": [feature(None)]}, "holds no polygon;"),
    "empty": (polygon(), "holds no polygon;"),
    "no area": (polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), "holds no polygon with an area"),
    "two vertices": (polygon([[0, 0], [1, 1]]), "has a polygon that cannot be read: "),
    "text": (polygon([["a", "b"], [1, 1], [1, 2], [0, 0]]), "has a polygon that cannot be read: "),
    "no numbers": (
        '{"type": "Polygon", "coordinates": [[[0, 0], [NaN, 1], [1, 1], [0, 0]]]}',
        "coordinates that are no numbers",
    ),
    "no features": ({"type": "FeatureCollection"}, "has a polygon that cannot be read: "),
    "features that are none": ({"type": "FeatureCollection", "features": 3}, "has a polygon that cannot be read: "),
    "another projection": (
        polygon([[6e5, 2e5], [7e5, 2e5], [7e5, 3e5], [6e5, 2e5]]),
        "names no projection, and x 600000 to 700000, y 200000 to 300000 are neither degrees nor LV95; give it in degrees",
    ),
    "an unknown projection": (
        polygon(SQUARE) | {"crs": {"type": "name", "properties": {"name": "EPSG:999999"}}},
        "names a projection that PROJ does not know: EPSG:999999",
    ),
    "a broken crs": (polygon(SQUARE) | {"crs": "EPSG:2056"}, "has a polygon that cannot be read: "),
    "degrees that are none": (
        polygon([[6, 45], [8, 45], [8, 147], [6, 45]]) | {"crs": {"properties": {"name": "EPSG:4326"}}},
        "has coordinates that are no degrees: x 6 to 8, y 45 to 147",
    ),
    "deep": ('{"type":"GeometryCollection","geometries":[' * 5000 + "]}" * 5000, "is no JSON: "),
}


@pytest.mark.parametrize("case", BAD)
def test_geojson_of_no_use(tmp_path, case):
    content, reason = BAD[case]
    with pytest.raises(UserError, match=f"^{tmp_path}/mine.geojson: .*{re.escape(reason)}") as caught:
        geojson(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_shapefiles_of_no_use(tmp_path):
    def message(spec: RegionSpec) -> str:
        with pytest.raises(UserError) as caught:
            read_region(spec)
        assert str(caught.value).startswith(f"{spec.file}"[:-3])
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(f"{spec.file}: ")

    lines = write_shapefile(tmp_path, [SQUARE], name="lines", kind=shapefile.POLYLINE)
    assert message(lines) == "holds no polygon; a region needs at least one"
    utm = write_shapefile(tmp_path, [[[5e5, 5.1e6], [5e5, 5.2e6], [6e5, 5.2e6], [5e5, 5.1e6]]], name="utm")
    assert message(utm).endswith("y 5100000 to 5200000 are neither degrees nor LV95; add its .prj")
    odd = write_shapefile(tmp_path, [SQUARE], "no projection", "odd")
    assert message(odd).endswith("odd.prj: names a projection that PROJ does not know: no projection")
    whole = odd.file.read_bytes()
    # Two polygons, of which the file holds the first: it would be a region, but not the one that was meant.
    two = write_shapefile(tmp_path, [SQUARE], name="two")
    with shapefile.Writer(tmp_path / "two", shapeType=shapefile.POLYGON) as writer:
        writer.field("name", "C")
        for ring in (SQUARE, ISLAND):
            writer.poly([ring])
            writer.record("x")
    two.file.write_bytes(two.file.read_bytes()[: 100 + 8 + 44 + 4 + 5 * 16])
    assert message(two).startswith("is no whole shapefile: Declared file size")
    for content in (b"", b"text", whole[:60], whole[:120], bytes(range(200))):
        odd.file.write_bytes(content)
        (tmp_path / "odd.prj").unlink(missing_ok=True)
        assert message(odd)
    assert message(RegionSpec("x", file=tmp_path / "absent.shp")) == "No such file or directory"
    assert message(RegionSpec("x", file=tmp_path / "region.kml")) == (
        "regions are read from GeoJSON (.geojson, .json) and shapefiles (.shp)"
    )


# Laws

degrees = st.floats(-170, 170).map(lambda value: round(value, 3))


@given(
    corners=st.lists(st.tuples(degrees, st.floats(-80, 80).map(lambda value: round(value, 3))), min_size=3, max_size=8),
    turn=st.sampled_from([0, 360]),
    seed=st.integers(0, 99),
)
def test_a_polygon_holds_the_same_points_wherever_its_longitudes_begin(tmp_path_factory, corners, turn, seed):
    hull = shapely.MultiPoint(corners).convex_hull
    if (
        hull.geom_type != "Polygon"
        or hull.area < 1e-3
        or np.abs(np.diff(shapely.get_coordinates(hull)[:, 0])).max() > 179
    ):
        return
    folder = tmp_path_factory.mktemp("law")
    ring = shapely.get_coordinates(hull)
    one = geojson(folder, polygon(ring.tolist()))
    other = geojson(folder, polygon((ring + [turn, 0]).tolist()), "turned.json")
    random = np.random.default_rng(seed)
    latitudes, longitudes = random.uniform(-90, 90, 200).round(4), random.uniform(-180, 180, 200).round(4)
    expected = shapely.intersects_xy(hull, longitudes, latitudes)
    np.testing.assert_array_equal(one.contains(latitudes, longitudes), expected)
    np.testing.assert_array_equal(other.contains(latitudes, longitudes), expected)
    np.testing.assert_array_equal(other.contains(latitudes, longitudes % 360), expected)
