"""One number of the scores is traced to files of statistics, and made again from them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.plan.model import Plan
from evalflow.scores.stored import read_sums, write_sums
from evalflow.scores.sums import MOMENTS
from evalflow.showcase.spec import ShowcaseSpec
from evalflow.verification.explain import Explained, Number, explain_score
from support.environments import run as run_script
from support.grib_files import LATITUDES, LONGITUDES
from support.report import make_spec
from support.verified import World, make_world, source, write_forecast

WEIGHTS = np.cos(np.radians(LATITUDES))
KEYS = {"param": "T_2M", "metric": "RMSE", "source": "model", "lead_time": 12.0}


def explain(world: World, **keys) -> Explained:
    spec = world.trial.spec
    return explain_score(spec, spec.results, {**KEYS, **keys})


def mean_squares(world: World, lead: int, inside=slice(None)) -> list[float]:
    """Return the weighted mean squared error of each init time, from the raw fields."""
    place = world.leads.index(lead)
    errors = [
        world.forecasts["T_2M"][init, place].astype(float) - world.truth("T_2M", init, lead)
        for init in range(len(world.inits))
    ]
    return [float(np.average(one[inside] ** 2, weights=WEIGHTS[inside])) for one in errors]


def files_of(world: World) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (world.trial.root / "data").rglob("*") if path.is_file()}


def test_a_number_is_made_of_the_init_times_that_the_raw_fields_give(world):
    world.trial.run()
    before = files_of(world)
    found = explain(world)
    found.check()
    squares = mean_squares(world, 12)
    assert found.recomputed is not None
    assert found.recomputed.value == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-6)
    assert found.sums == {"dd": pytest.approx(np.mean(squares), rel=1e-6)}
    assert [part.init_time for part in found.parts] == world.inits
    assert [part.value for part in found.parts] == pytest.approx(np.sqrt(squares), rel=1e-6)
    assert [part.sums["dd"] for part in found.parts] == pytest.approx(squares, rel=1e-6)
    assert [part.pairs for part in found.parts] == [12] * 6
    for part in found.parts:
        (file,) = part.files
        assert file.name.startswith(f"{part.init_time:%Y%m%d%H%M}.") and file in before
        assert part.forecast == str(world.trial.root / "model" / f"{part.init_time:%Y%m%d%H}.grib")
    assert (found.metric.name, found.row["units"], found.compared) == ("RMSE", "K", ["model"])
    assert files_of(world) == before, "nothing in the store changes"


def test_a_region_and_an_hour(world):
    world.trial.data["regions"] = [{"name": "west", "box": [-2.5, -0.5, 49.5, 52.5]}]
    world.trial.run()
    found = explain(world, region="west", init_hour="12")
    found.check()
    squares = mean_squares(world, 12, LONGITUDES < -0.5)[1::2]
    assert [part.init_time.hour for part in found.parts] == [12, 12, 12]
    assert [part.sums["dd"] for part in found.parts] == pytest.approx(squares, rel=1e-6)


def test_rows_of_every_kind_are_traced(world):
    """Each kind of sums, baselines, one with few init times, which is compared alone on the points that it has."""
    persistence = source("persistence", world.leads, builtin="persistence")
    fields = world.forecasts["T_2M"].copy()
    fields[:, :, [1, 4]] = np.nan
    for init in (0, 2):
        write_forecast(world.trial.root / "few", world.inits[init], world.leads, {"T_2M": fields[init]})
    few = source("few", world.leads, world.trial.root / "few")
    world.trial.data["sources"] += [persistence, few]
    world.trial.data["references"] = ["baseline-persistence"]
    world.trial.data["thresholds"] = {"T_2M": ["> 280", "<= 278.5"]}
    done = world.trial.run()
    rows = done.scores(lead_time=12.0, threshold=...)
    traced = [row for row in rows if row["metric"] in {"BIAS", "MSE_CORR", "CORR", "ACTIVITY", "ETS", "SEDI"}]
    assert len(traced) == 3 * (4 + 2 * 2)
    for row in traced:
        keys = ("metric", "source", "threshold")
        found = explain(world, **{key: row[key] for key in keys})
        assert found.row == row
        found.check()
        assert len(found.parts) == row["n_inits"]
    assert [part.forecast for part in explain(world, source="persistence").parts] == [
        "persistence: made of the truth"
    ] * 6
    assert explain(world, source="few").compared == ["persistence", "few"]
    ets = explain(world, metric="ETS", threshold="gt_280")
    assert list(ets.sums) == ["a", "b", "c", "d"]
    assert sum(ets.sums.values()) == pytest.approx(WEIGHTS.sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ((1.0 + 1e-12, 6, 3, 72), True),
        ((1.0 + 1e-6, 6, 3, 72), False),
        ((1.0, 5, 3, 72), False),
        ((1.0, 6, 2, 72), False),
        ((1.0, 6, 3, 71), False),
        ((np.nan, 6, 3, 72), False),
    ],
)
def test_what_is_the_same_number(other, same):
    assert Number(1.0, 6, 3, 72).same_as(Number(*other)) is same
    assert Number(np.nan, *other[1:]).same_as(Number(np.nan, *other[1:]))


def test_files_that_were_made_later_are_named(world):
    world.trial.run()
    world.trial.data["thresholds"] = {"T_2M": ["> 280"]}
    world.trial.run()
    ets = explain(world, metric="ETS", threshold="> 280")
    ets.check()
    assert all(len(part.files) == 1 for part in ets.parts)


def one_file(world: World) -> Path:
    return explain(world).parts[0].files[0]


def test_changed_sums_are_noticed(world):
    world.trial.run()
    path = one_file(world)
    sums = read_sums(path)
    moments = sums.params["T_2M"].moments.copy()
    moments[MOMENTS.index("dd")] *= 1.001
    write_sums(path, replace(sums, params={"T_2M": replace(sums.params["T_2M"], moments=moments)}))
    found = explain(world)
    with pytest.raises(
        UserError, match=r"^scores\.parquet: T_2M RMSE of model at 12 h is .* there, and .* launch again$"
    ):
        found.check()


def test_a_damaged_file_is_named_and_stays_where_it_is(world):
    world.trial.run()
    path = one_file(world)
    content = bytearray(path.read_bytes())
    content[-100] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"^{path}: cannot be read as statistics"):
        explain(world)
    assert path.read_bytes() == content


def test_a_file_with_the_name_of_another_is_named(world):
    world.trial.run()
    first, second = (part.files[0] for part in explain(world).parts[:2])
    first.write_bytes(second.read_bytes())
    with pytest.raises(UserError, match=rf"^{first}: holds something else than its name says"):
        explain(world)


def test_a_file_that_is_gone_is_noticed(world):
    world.trial.run()
    one_file(world).unlink()
    with pytest.raises(
        UserError, match=r"n_inits 6, n_days 3, n_pairs 72\) there, .*n_inits 5, n_days 3, n_pairs 60\)"
    ):
        explain(world).check()


def test_statistics_of_other_analyses_give_nothing(world):
    world.trial.run()
    world.analyses["T_2M"] += 1
    world.write_analyses()
    with pytest.raises(UserError, match="the statistics in the store give nothing for it"):
        explain(world).check()


def test_a_comparison_that_is_gone(world):
    world.trial.run()
    world.trial.data["comparing"]["weights"] = "none"
    world.trial.data["truths"][0]["identity"]["comparing"] = {"weights": "none"}
    with pytest.raises(UserError, match="there is no such comparison"):
        explain(world)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"param": "T_3M"}, 'param "T_3M": there is no such score; there is T_2M'),
        ({"metric": None}, "metric: name one of ACTIVITY; BIAS; CORR; .* with --metric"),
        ({"source": "modell"}, 'source "modell": there is no such score; there is model; other'),
        ({"source": None}, "source: name one of model; other with --source"),
        ({"source": "other"}, 'source "other": 2 sources have this label; name one of baseline-a; baseline-b'),
        ({"lead_time": 7.0}, "lead_time 7.0: there is no such score; there is 0; 6; 12; 18; 24"),
        ({"lead_time": None}, "lead_time: name one of 0; 6; 12; 18; 24 with --lead_time"),
        ({"metric": "ETS"}, "threshold: name one of <= 278.5; > 280 with --threshold"),
        ({"metric": "ETS", "threshold": "> 3"}, 'threshold "> 3": there is no such score; there is <= 278.5; > 280'),
        ({"metric": "ETS", "threshold": "3"}, "threshold '3': is not understood"),
        ({"threshold": "> 280"}, 'threshold "> 280": there is no such score; there is only that without one'),
        ({"scale": 50.0}, "scale 50.0: there is no such score; there is 0"),
        ({"region": "east"}, 'region "east": there is no such score; there is all'),
        ({"season": "JJA"}, 'season "JJA": there is no such score; there is DJF; all'),
        ({"case": "storm"}, 'case "storm": there is no such score; there is only that without one'),
        ({"truth": "stations"}, 'truth "stations": there is no such score; there is analyses'),
    ],
)
def test_choices_that_are_unknown_or_more_than_one(choices, keys, line):
    with pytest.raises(UserError, match=f"^{line}"):
        explain(choices, **keys)


@pytest.fixture(scope="module")
def choices(tmp_path_factory) -> World:
    """A store with two sources of one label, and thresholds."""
    world = make_world(tmp_path_factory.mktemp("choices"))
    root = world.trial.root / "model"
    for name in "ab":
        world.trial.data["sources"].append(source("other", world.leads, root, source_id=f"baseline-{name}"))
    world.trial.data["thresholds"] = {"T_2M": ["> 280", "<= 278.5"]}
    world.trial.run()
    return world


def test_there_are_no_tables(world, tmp_path):
    with pytest.raises(UserError, match=r"scores\.parquet: no such file; name the folder of results"):
        explain_score(world.trial.spec, tmp_path, KEYS)
    (tmp_path / "scores.parquet").write_text("no table")
    with pytest.raises(UserError, match=r"scores\.parquet: cannot be read as Parquet"):
        explain_score(world.trial.spec, tmp_path, KEYS)


def test_the_command(world):
    world.trial.data["truths"][0]["identity"]["truth"] = "analyses"
    world.trial.run()
    results = world.trial.spec.results
    write_plan(world)
    keys = ["--param", "T_2M", "--metric", "RMSE", "--source", "model", "--lead_time", "12"]
    done = run_script("explain_score.py", results, *keys)
    assert done.returncode == 0, done.stderr
    value = np.sqrt(np.mean(mean_squares(world, 12)))
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"T_2M RMSE of model at 12 h: {value:.5f}"[:-1]) and lines[0].endswith(" K")
    for text in ("formula      RMSE = √MSE", "sum dd ", "n_pairs 72, n_inits 6, n_days 3", "2024-01-12T12:00  RMSE "):
        assert text in done.stdout
    assert lines[-1].startswith("made again from these files: ") and lines[-1].endswith("the same")
    one_file(world).unlink()
    done = run_script("explain_score.py", results, *keys)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("evalflow: scores.parquet: T_2M RMSE of model at 12 h is ")
    done = run_script("explain_score.py", results, "--param", "X")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'evalflow: param "X": there is no such score; there is T_2M\n'


def write_plan(world: World) -> None:
    """Write the plan that a launch of nothing but verification would begin with."""
    root, spec = world.trial.root, world.trial.spec
    nothing = ShowcaseSpec(
        evalflow="0", experiment_id=spec.experiment_id, store=spec.store, results=spec.results, times=[], sources=[],
        truths=[], grids=[], params=[], domains=[], formats=[], frames_per_second=2, wind="none", stations=[], regions=[],
        lapse_rate="auto",
    )  # fmt: skip
    plan = Plan(
        evalflow="0", experiment_id=spec.experiment_id, config=root / "c.yaml", config_text="", target="experiment",
        stub=False, outdir=root, store=spec.store, project=root, envs=[], runs=[], init_times=spec.init_times,
        inits_at_once=1, forecasts=[], tasks=[], inputs=[], verification=spec, report=make_spec(root), showcase=nothing,
        warnings=[],
    )  # fmt: skip
    (spec.results / "plan.json").write_text(plan.to_json())
