"""What is verified again after a change: real launches on one store, which count tasks and statistics.

A statistic is that of one source, init time and param.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
import yaml
from support.launches import Workspace, copy_workspace
from support.verifying import (
    BASELINES,
    REGIONS,
    TABLES,
    Verified,
    make_workspace,
    remains,
    statistics,
    verify,
)

FIRST, SECOND, THIRD = "199601151200", "199601160000", "199601161200"
LOOKS = {"MAKE_PLAN": 1, "DEFINE_DOMAIN": 1, "COMPARE_SAMPLES": 1, "AGGREGATE": 1}
"""Tasks of a launch that finds all statistics in the store."""
COMPUTES = {**LOOKS, "COPY_TRUTH": 1, "VERIFY": 2}
"""Tasks of one that computes some of both sources: all init times are of one pack."""


def of(inits: list[str], params: list[str]) -> dict[tuple[str, str, str], int]:
    """Return the statistics of both sources, each computed once."""
    return dict.fromkeys(product(BASELINES, inits, params), 1)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Workspace:
    """A workspace after its first launch. Do not change it: take `verified`, a copy."""
    workspace = make_workspace(tmp_path_factory.mktemp("first"))
    launch = verify(workspace)
    assert (launch.result.tasks, launch.computed) == (COMPUTES, of([FIRST, SECOND], ["T_2M", "SP_10M"]))
    assert len(statistics(workspace)) == 4
    return workspace


@pytest.fixture
def verified(first, tmp_path) -> Workspace:
    """A copy of the workspace after its first launch, store and results included."""
    return copy_workspace(first, tmp_path / "copy")


# --- changes of which nothing is computed again -----------------------------------------------------------------------


def written(workspace: Workspace) -> dict[str, int]:
    """Return when each table was written."""
    return {name: next(workspace.root.glob(f"out/results/*/{name}")).stat().st_mtime_ns for name in TABLES}


def nothing(config: dict) -> None:
    pass


def the_scorecards(config: dict) -> None:
    sections = config["experiment"]["scorecards"]["sections"]
    sections["renamed"] = {**sections.pop("first day"), "lead_times": "6/12/6", "variables": ["T_2M:MAE,CORR"]}


def labels_and_descriptions(config: dict) -> None:
    config["description"] = "other words"
    config["runs"][0]["baseline"]["label"] = "renamed"
    config["experiment"]["scorecards"]["sections"]["first day"]["baseline"] = "renamed"
    config["truth"]["label"] = "renamed too"


def less_of_everything(config: dict) -> None:
    config["dates"].pop()
    config["experiment"]["params"].pop()
    config["experiment"].pop("thresholds")
    config["experiment"].pop("stratification")


@pytest.mark.parametrize("change", [nothing, the_scorecards, labels_and_descriptions, less_of_everything])
def test_nothing_is_computed_again(verified, change):
    before, tables = statistics(verified), written(verified)
    verified.edit(change)
    launch = verify(verified, "--target", "experiment")
    assert (launch.result.tasks, launch.computed) == ({**LOOKS, "MAKE_REPORT": 1}, {}), launch.result.text
    assert statistics(verified) == before
    if change in (nothing, the_scorecards):
        assert written(verified) == tables, "only pages are made anew"


def turned(value):
    """Return the same with the keys of every mapping the other way round."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


def test_order_and_comments_are_no_change(verified):
    """Of keys, of params, of init times; without a work folder, from another one."""
    before, tables = statistics(verified), written(verified)
    config = verified.config
    config["dates"].reverse()
    text = yaml.dump(turned(config), sort_keys=False, default_flow_style=True, width=10_000)
    verified.config_file.write_text(f"# a comment\n{text}\n# another\n")
    launch = verify(verified, folder="elsewhere")
    assert (launch.result.tasks, launch.computed) == (LOOKS, {}), launch.result.text
    assert (statistics(verified), written(verified)) == (before, tables)


# --- changes of which some is computed --------------------------------------------------------------------------------


def a_region(config: dict) -> None:
    more = {"name": "east coast", "file": str(REGIONS / "east-coast.geojson")}
    config["experiment"]["stratification"]["regions"].append(more)


def a_param(config: dict) -> None:
    config["experiment"]["params"].append("PMSL")


def a_threshold(config: dict) -> None:
    config["experiment"]["thresholds"]["T_2M"]["lt"].append(263.15)


def an_init_time(config: dict) -> None:
    config["dates"].append("1996-01-16T12:00")


CHANGES: dict[Callable, dict] = {
    a_region: of([FIRST, SECOND], ["T_2M", "SP_10M"]),
    a_param: of([FIRST, SECOND], ["PMSL"]),
    a_threshold: of([FIRST, SECOND], ["T_2M"]),
    an_init_time: of([THIRD], ["T_2M", "SP_10M", "PMSL"]),
}
"""Change after change → what is computed."""


def check_computed(workspace: Workspace, change: Callable, expected: dict) -> Verified:
    before = statistics(workspace)
    workspace.edit(change)
    launch = verify(workspace)
    said = f"{change.__name__}\n{launch.result.text}"
    assert launch.computed == expected, said
    assert launch.result.tasks == COMPUTES, said
    now = statistics(workspace)
    assert before.items() <= now.items(), "what was there stays as it was"
    added = {(source, init_time) for source, init_time, _ in expected}
    assert len(now) == len(before) + len(added), "one file per addition"
    return launch


def alike(one: pa.Table, other: pa.Table) -> bool:
    """Return whether tables are equal but for the last digits: counts of two files add up in another order."""
    numbers = [name for name in one.column_names if pa.types.is_floating(one.schema.field(name).type)]
    close = [np.allclose(one[name], other[name], rtol=1e-10, atol=1e-12, equal_nan=True) for name in numbers]
    return one.drop(numbers).equals(other.drop(numbers)) and all(close)


def test_what_was_added_is_computed_and_nothing_else(verified, tmp_path):
    """One store, change after change; at the end, its tables are those of one launch that computes all at once."""
    for change, expected in CHANGES.items():
        launch = check_computed(verified, change, expected)
    assert remains(verified) == []
    at_once = make_workspace(tmp_path / "at once")
    at_once.edit(lambda config: [change(config) for change in CHANGES])
    whole = verify(at_once)
    assert whole.computed.total() == 18
    assert len(statistics(at_once)) == 6 < len(statistics(verified))
    expected = whole.tables()
    for name, table in launch.tables().items():
        assert table.num_rows and alike(table, expected[name]), name


# --- a climatology ----------------------------------------------------------------------------------------------------


def a_climatology(start: str, end: str) -> Callable[[dict], None]:
    reference = {"start": start, "end": end, "window": 4}

    def change(config: dict) -> None:
        config["runs"] = config["runs"][: len(BASELINES)]
        config["runs"].append({"baseline": {"label": "normal", "builtin": "climatology", "reference": reference}})

    return change


def test_a_climatology_that_cannot_be_had_and_then_one_that_can(verified):
    """Neither makes anything be computed a second time."""
    looks = {**LOOKS, "MAKE_CLIMATOLOGY": 1}
    verified.edit(a_climatology("1990-01-01", "1994-12-31"))
    for _ in range(2):
        launch = verify(verified, status=1)
        assert (launch.result.tasks, launch.computed) == (looks, {}), launch.result.text
        assert "has no T_2M from 1990-01-01T00:00 to 1994-12-31T23:59, the reference period" in launch.result.text
    verified.edit(a_climatology("1996-01-12", "1996-01-15T06:00"))
    launch = verify(verified)
    expected = dict.fromkeys(product([*BASELINES, "normal"], [FIRST, SECOND], ["T_2M", "SP_10M"]), 1)
    assert (launch.result.tasks, launch.computed) == ({**looks, "COPY_TRUTH": 1, "VERIFY": 3}, expected)
    scores = launch.tables()["scores.parquet"].to_pylist()
    assert {row["deviations"] for row in scores if row["metric"] == "ACTIVITY"} == {"climatology"}
    again = verify(verified)
    assert (again.result.tasks, again.computed) == (looks, {}), again.result.text
