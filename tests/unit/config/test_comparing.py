"""How sources are compared: what the section `experiment` may say of it, and what it may not."""

import pytest
from evalflow.scores.names import Threshold
from evalflow.scores.table import METRICS

CARD = {"baseline": "EPS", "lead_times": "0/24/6", "stratification": "season", "variables": ["T_2M:RMSE"]}
SECTION = "experiment.scorecards.sections.a"
BOX = [5, 16, 43.5, 48.5]


def test_what_is_left_out_has_a_default(read):
    experiment = read({}).experiment
    assert (experiment.domain, experiment.verification_grid, experiment.mapping) == ("common", "truth", "nearest")
    assert (experiment.max_distance, experiment.weights, experiment.common_sample) == ("auto", "area", "intersect")
    assert (experiment.min_coverage, experiment.scales, experiment.references) == (0.9, [50, 200], None)
    significance = experiment.significance
    assert (significance.level, significance.false_discovery_rate, significance.min_days) == (0.05, 0.10, 10)
    assert (experiment.cases, experiment.stratification.regions) == ([], [])


def test_each_choice_may_be_another(read):
    changes = {
        "domain": {"box": BOX},
        "verification_grid": {"regular": 1.5},
        "mapping": "bilinear",
        "max_distance": 10,
        "weights": "none",
        "common_sample": "strict",
        "min_coverage": 0,
        "scales": [],
        "references": ["AI", "EPS"],
        "significance": {"level": 0.01, "min_days": 20},
        "dashboard": {"stratification": ["season", "init_hour", "valid_hour"]},
    }
    experiment = read({f"experiment.{name}": value for name, value in changes.items()}).experiment
    assert experiment.model_dump(exclude_defaults=True) == changes
    assert read({"experiment.max_distance": "none"}).experiment.max_distance == "none"
    assert read({"experiment.domain": "truth"}).experiment.domain == "truth"


@pytest.mark.parametrize("degrees", [30, 5.625, 1.5, 0.25, 0.1])
def test_a_regular_grid_closes_around_the_globe(degrees, read):
    grid = read({"experiment.verification_grid": {"regular": degrees}}).experiment.verification_grid
    assert grid.regular == degrees


# Regions, and what refers to them


def test_regions_are_names_boxes_or_files(read):
    regions = ["jura", {"name": "alps", "box": BOX}, {"name": "mine", "file": "mine.geojson"}]
    changes = {"experiment.stratification": {"regions": regions, "root": "/data/regions"}}
    stratification = read(changes).experiment.stratification
    assert stratification.names() == ["jura", "alps", "mine"]
    assert stratification.regions[1].box == BOX and stratification.regions[2].file == "mine.geojson"
    twice = {"experiment.stratification": {"regions": [*regions, *regions], "root": "/data/regions"}}
    assert read(twice).experiment.stratification == stratification, "a region named twice is one"


def test_only_names_need_a_folder(read):
    assert read({"experiment.stratification": {"regions": [{"name": "alps", "box": BOX}]}})


@pytest.mark.parametrize(
    ("box", "canonical"),
    [
        (BOX, BOX),
        ([170, -170, -30, 0], [170, 190, -30, 0]),
        ([170, 190, -30, 0], [170, 190, -30, 0]),
        ([100, -60, -60, 60], [100, 300, -60, 60]),
        ([-180, 180, -90, 90], [-180, 180, -90, 90]),
        ([0, 360, -90, 90], [0, 360, -90, 90]),
    ],
)
def test_a_box_may_be_across_the_date_line(box, canonical, read):
    assert read({"experiment.domain": {"box": box}}).experiment.domain.box == canonical


@pytest.mark.parametrize(
    "box", [[16, 5, 43, 48], [5, 16, 48, 43], [5, 5, 0, 1], [10, -5, 35, 45], [0, 361, 0, 1], [0, 1, 0, 91]]
)
def test_a_box_with_its_edges_swapped_is_refused(box, refusals):
    (line,) = refusals({"experiment.domain": {"box": box}})
    assert line.startswith("experiment.domain.box: is not an area; allowed: [lon_min, lon_max, lat_min, lat_max]")


def test_what_refers_to_a_region_needs_it(read):
    changes = {
        "experiment.stratification.regions": [{"name": "alps", "box": BOX}],
        "experiment.domain": {"region": "alps"},
        "experiment.cases": [{"name": "storm", "start": "2024-12-07", "end": "2024-12-09", "region": "alps"}],
        "showcase.meteograms.regions": ["alps"],
    }
    assert read(changes).experiment.domain.region == "alps"


def test_a_case_is_anywhere(read):
    case = {"name": "storm", "start": "2024-12-07", "end": "2024-12-09"}
    areas = [{}, {"region": {"box": BOX}}, {"region": {"file": "alps.geojson"}}]
    cases = [{**case, "name": str(index), **area} for index, area in enumerate(areas)]
    found = read({"experiment.cases": cases}).experiment.cases
    assert [one.name for one in found] == ["0", "1", "2"]
    assert found[0].region is None and found[1].region.box == BOX and found[2].region.file == "alps.geojson"


# Labels


def test_what_differences_are_taken_to(read):
    assert read({}).references() == [2], "the first baseline"
    assert read({"runs.2": {"forecaster": {"checkpoint": "b", "steps": "0/24/6"}}}).references() == [0], "the first"
    assert read({"experiment.references": ["model", "EPS"]}).references() == [0, 2]
    assert read({"experiment.references": ["AI", "AI"]}).references() == [1]
    assert read({"experiment.references": []}).references() == []
    card = {"lead_times": "6/24/6", "stratification": "region", "variables": []}
    cards = {"one": {**card, "baseline": "AI"}, "two": {**card, "baseline": "EPS"}}
    with_cards = {"experiment.scorecards": {"sections": cards}}
    assert read(with_cards).references() == [2, 1], "the first reference, then the baselines of scorecards"
    assert read({**with_cards, "experiment.references": ["model"]}).references() == [0, 1, 2]


def test_differences_are_also_taken_to_what_scorecards_compare_with(read):
    card = {SECTION: CARD | {"baseline": "AI"}}
    assert read(card).references() == [2, 1]
    assert read({**card, "experiment.references": ["model"]}).references() == [0, 1]
    assert read({**card, "experiment.references": ["AI"]}).references() == [1]
    assert read({**card, "experiment.scorecards.enabled": False}).references() == [2]


@pytest.mark.parametrize("label", ["model", "AI", "EPS"])
def test_a_scorecard_compares_with_any_source(label, read):
    assert read({SECTION: CARD | {"baseline": label}}).experiment.sections()["a"].baseline == label


def test_a_baseline_goes_before_others_of_its_label(read):
    assert read({"runs.0.forecaster.label": "EPS", "experiment.references": ["EPS"]}).references() == [2]


def test_an_entry_that_is_there_twice_is_one(read):
    forecasts = {"forecasts": {"label": "AI", "root": "/data/ai.zarr", "steps": "0/24/6"}}
    config = read({"runs": [forecasts, forecasts], "experiment.references": ["AI"]})
    assert config.references() == [0]


# Params, scores, thresholds


def test_params_are_also_those_of_scorecards_and_score_maps(read):
    changes = {
        SECTION: CARD | {"variables": ["U_10M:RMSE", "T_2M", "PS:MAE,R2"]},
        "experiment.scoremaps": {"enabled": True, "params": ["TOT_PREC1"]},
    }
    experiment = read({**changes, "experiment.params": ["T_2M"]}).experiment
    assert experiment.verified_params() == experiment.named_params() == ["T_2M", "U_10M", "PS", "TOT_PREC1"]
    switched_off = {"experiment.scorecards.enabled": False, "experiment.scoremaps.enabled": False}
    assert read({**changes, **switched_off, "experiment.params": ["T_2M"]}).experiment.verified_params() == ["T_2M"]


def test_defaults_are_not_named(read):
    """What the user did not write and cannot be had is no error: so the two must be told apart."""
    experiment = read({"experiment.scoremaps.enabled": True}).experiment
    assert experiment.named_params() == []
    assert experiment.verified_params() == ["T_2M", "TD_2M", "SP_10M", "PS", "PMSL", "TOT_PREC6"]


def test_thresholds_are_also_those_of_scorecards(read):
    changes = {
        "experiment.thresholds": {"TOT_PREC6": {"gt": [5, 0.1]}},
        SECTION: CARD | {"variables": ["TOT_PREC6:ETS > 0.1,POD_ge_1", "T_2M:RMSE,FBI < 273.15", "TOT_PREC6"]},
    }
    experiment = read(changes).experiment
    assert experiment.sections()["a"].variables[0] == "TOT_PREC6:ETS_gt_0p1,POD_ge_1p0"
    assert experiment.thresholds_of("TOT_PREC6") == [Threshold("ge", 1), Threshold("gt", 0.1), Threshold("gt", 5)]
    assert experiment.thresholds_of("T_2M") == [Threshold("lt", 273.15)]
    assert experiment.thresholds_of("PS") == []


@pytest.mark.parametrize("metric", METRICS)
def test_all_scores_of_the_table_are_known(metric, read):
    assert read({SECTION: CARD | {"variables": [f"T_2M:{metric}"]}})


def test_what_may_be_a_mistake_is_told_and_stops_nothing(read):
    changes = {
        "experiment.params": ["T_2M", "T2_M"],
        "experiment.thresholds": {"T_2M": {"lt": [0, 273.15]}, "TOT_PREC6": {"gt": [0.0, -1]}, "XYZ": {"gt": [1]}},
        "experiment.scorecards.sections.short range": CARD | {"variables": ["PS:RMSE", "QQQ"]},
    }
    lines = read(changes).warnings()
    assert all("; allowed: " in line for line in lines)
    assert [line.split("; ")[0] for line in lines] == [
        "experiment.params[1]: no param T2_M, did you mean T_2M?",
        "experiment.thresholds.XYZ: no param XYZ",
        'experiment.scorecards.sections["short range"].variables[1]: no param QQQ',
        "experiment.thresholds.T_2M.lt[0]: 0 is never reached",
        "experiment.thresholds.TOT_PREC6.gt[1]: -1 is never reached",
    ]
    assert "150 to 350 K" in lines[3]
    assert read({**changes, "truth": None}).warnings() == [], "without a truth, nothing is verified"


# The showcase


def test_what_is_drawn(read):
    showcase = read({}).showcase
    assert (showcase.dates, showcase.meteograms.stations) == ([], ["GVE", "KLO", "LUG"])
    assert (showcase.animations.formats, showcase.animations.wind) == (["webp"], "none")
    changes = {
        "dates": ["2024-01-03", "2024-01-01T00:00", "2024-01-03T00:00"],
        "showcase.dates": ["2024-01-03", "2024-01-01"],
        "showcase.meteograms.stations": ["KLO", {"name": "here", "lat": 47.4, "lon": 8.6, "elevation": 440}, "KLO"],
        "showcase.animations": {"formats": ["gif", "mp4", "gif"], "wind": "barbs"},
    }
    showcase = read(changes).showcase
    assert showcase.dates == ["2024-01-01T00:00", "2024-01-03T00:00"]
    assert showcase.meteograms.stations[0] == "KLO" and showcase.meteograms.stations[1].elevation == 440
    assert len(showcase.meteograms.stations) == 2
    assert (showcase.animations.formats, showcase.animations.wind) == (["gif", "mp4"], "barbs")


REFUSALS = [
    ({"domain": "comon"}, "domain", 'got "comon", did you mean common?; allowed: one of common, truth or a mapping with'),
    ({"domain": {}}, "domain", "holds none of box, region; allowed: exactly one of box, region"),
    ({"domain": {"box": BOX, "region": "alps"}}, "domain", "holds box and region; allowed: exactly one"),
    ({"domain": {"region": "alps"}}, "domain.region", 'is called "alps"; allowed: none, for experiment.stratification'),
    ({"domain": {"box": [1, 2]}}, "domain.box", "got a list of 2; allowed: a list of 4, each item a number"),
    ({"domain": 5}, "domain", "got 5; allowed: one of common, truth or a mapping with the keys box, region"),
    ({"verification_grid": 1.5}, "verification_grid", "got 1.5; allowed: truth or a mapping with the key regular"),
    ({"verification_grid": {"regular": 0.7}}, "verification_grid.regular", "allowed: degrees that divide 180"),
    ({"verification_grid": {"regular": 0}}, "verification_grid.regular", "got 0; allowed: a number > 0"),
    ({"verification_grid": {"regular": 90}}, "verification_grid.regular", "of at most 30"),
    ({"mapping": "linear"}, "mapping", "did you mean bilinear?; allowed: one of nearest, bilinear"),
    ({"max_distance": 0}, "max_distance", "got 0; allowed: one of auto, none or a number > 0"),
    ({"max_distance": None}, "max_distance", "is empty; allowed: one of auto, none or a number > 0"),
    ({"max_distance": True}, "max_distance", "got true; allowed: one of auto, none or a number > 0"),
    ({"max_distance": "10km"}, "max_distance", 'got "10km"; allowed: one of auto, none or a number > 0'),
    ({"weights": "areas"}, "weights", "did you mean area?; allowed: one of area, none"),
    ({"common_sample": False}, "common_sample", "got false; allowed: one of intersect, strict"),
    ({"min_coverage": 90}, "min_coverage", "got 90; allowed: a number >= 0 and <= 1"),
    ({"scales": [50, 0]}, "scales[1]", "got 0; allowed: a number > 0"),
    ({"scales": 50}, "scales", "got 50; allowed: a list, each item a number > 0"),
    ({"references": "EPS"}, "references", 'got "EPS"; allowed: a list, each item text'),
    ({"references": ["ESP"]}, "references[0]", 'labelled "ESP", did you mean EPS?; allowed: "model", "AI", "EPS"'),
    ({"significance": {"level": 5}}, "significance.level", "got 5; allowed: a number > 0 and < 1"),
    ({"significance": {"min_days": 9}}, "significance.min_days", "got 9; allowed: a whole number >= 10"),
    ({"significance": {"fdr": 0.1}}, "significance.fdr", "unknown key; allowed: level, false_discovery_rate, min_days"),
    ({"dashboard": {"stratification": ["valid_hr"]}}, "dashboard.stratification[0]", "did you mean valid_hour?"),
    ({"stratification": {"regions": ["a"]}}, "stratification.root", "missing: regions are named"),
    ({"stratification": {"regions": ["all"], "root": "/r"}}, "stratification.regions[0]", "which is the whole domain"),
    ({"stratification": {"regions": [{"name": "all", "box": BOX}]}}, "stratification.regions[0]", "the whole domain"),
    (
        {"stratification": {"regions": [{"name": "a", "box": BOX}, {"name": "a", "file": "x"}]}},
        "stratification.regions[1]",
        'another region is called "a"',
    ),
    ({"stratification": {"regions": [{"name": "a"}]}}, "stratification.regions[0]", "exactly one of box, file"),
    ({"stratification": {"regions": [{"box": BOX}]}}, "stratification.regions[0].name", "missing; allowed: text"),
    ({"stratification": {"regions": [5]}}, "stratification.regions[0]", "got 5; allowed: text or a mapping with"),
    ({"scorecards.sections.a": CARD | {"truth": "x"}}, "scorecards.sections.a.truth", 'allowed: "analyses"'),
    (
        {"scorecards.sections.a": CARD | {"variables": ["T_2M:RSME"]}},
        "scorecards.sections.a.variables[0]",
        "score 'RSME': unknown; allowed: a param, or a param and scores such as T_2M:RMSE,R2; scores are BIAS, MAE",
    ),
    ({"scorecards.sections.a": CARD | {"variables": ["T_2M:RMSE>5"]}}, "scorecards.sections.a.variables[0]", "has no threshold"),
    ({"scoremaps.leadtimes": [0.51]}, "scoremaps.leadtimes[0]", "allowed: hours that are whole minutes"),
    ({"cases": [{"name": "a", "start": "2024-01-02", "end": "2024-01-01"}]}, "cases[0].end", "is before the start"),
    ({"cases": 2 * [{"name": "a", "start": "2024-01-01", "end": "2024-01-01"}]}, "cases[1].name", "another case has this name"),
    ({"cases": [{"name": "a/b", "start": "2024-01-01", "end": "2024-01-01"}]}, "cases[0].name", "without '/'"),
    (
        {"cases": [{"name": "a", "start": "2024-01-01", "end": "2024-01-01", "region": "alp"}]},
        "cases[0].region",
        'no region of experiment.stratification is called "alp"',
    ),
    (
        {"cases": [{"name": "a", "start": "2024-01-01", "end": "2024-01-01", "region": {}}]},
        "cases[0].region",
        "holds none of box, file",
    ),
]  # fmt: skip
SHOWCASE_REFUSALS = [
    ({"dates": ["2024-01-01T06:00"]}, "dates", "is no init time; allowed: init times, the nearest is 2024-01-01T00:00"),
    ({"dates": "2024-01-01"}, "dates", "allowed: a list, each item text such as 2024-01-01T00:00"),
    ({"meteograms.regions": ["alps"]}, "meteograms.regions[0]", "allowed: none, for experiment.stratification.regions is empty"),
    ({"meteograms.stations": [{"name": "here", "lat": 47.4}]}, "meteograms.stations[0].lon", "missing; allowed: a number"),
    ({"meteograms.stations": [{"name": "a", "lat": 91, "lon": 0}]}, "meteograms.stations[0].lat", ">= -90 and <= 90"),
    ({"meteograms.stations": ["a", {"name": "a", "lat": 1, "lon": 0}]}, "meteograms.stations[1]", "another station has this name"),
    ({"animations.formats": ["gif", "png"]}, "animations.formats[1]", 'got "png"; allowed: one of webp, gif, mp4'),
    ({"animations.formats": []}, "animations.formats", "got an empty list; allowed: a list of at least 1, each item one of"),
    ({"animations.wind": True}, "animations.wind", "got true; allowed: one of none, barbs, streamlines"),
]  # fmt: skip
ALL = [("experiment", *one) for one in REFUSALS] + [("showcase", *one) for one in SHOWCASE_REFUSALS]


@pytest.mark.parametrize(
    ("section", "changes", "key", "text"),
    ALL,
    ids=[f"{section}.{key}-{index}" for index, (section, _, key, _) in enumerate(ALL)],
)
def test_refusals_name_the_key_and_what_is_allowed(section, changes, key, text, refusals):
    lines = refusals({f"{section}.{place}": value for place, value in changes.items()})
    assert any(line.startswith(f"{section}.{key}: ") and text in line for line in lines), lines


def test_a_label_that_several_have_names_none_of_them(refusals):
    lines = refusals({"runs.0.forecaster.label": "AI", "experiment.references": ["AI"]})
    assert lines == [
        'experiment.references[0]: 2 of the runs are labelled "AI"; allowed: a label that only one of them has'
    ]


def test_a_scorecard_for_a_truth_needs_one(refusals):
    lines = refusals({SECTION: CARD | {"truth": "x"}, "truth": None})
    assert lines == [f'{SECTION}.truth: no truth is labelled "x"; allowed: none, for there is no truth']
