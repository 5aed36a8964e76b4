#!/usr/bin/env python3
"""Say what one number of scores.parquet is made of, and make it again."""

import math
from pathlib import Path

import click
import evalflow  # noqa: F401 - finds the project's Python first
from evalflow.cli import command
from evalflow.plan.model import Plan
from evalflow.verification.explain import Explained, explain_score, name_of
from evalflow.yamlio import read_text

SUMS = {
    "f": "mean of the forecast",
    "o": "mean of the truth",
    "ff": "mean square of the forecast",
    "oo": "mean square of the truth",
    "dd": "mean squared error",
    "ad": "mean absolute error",
    "r": "mean correlation of the fields",
    "z": "mean of artanh of the anomaly correlation",
    "vf": "mean variance of the forecast",
    "vo": "mean variance of the truth",
    "a": "hits, mean sum of weights",
    "b": "false alarms, mean sum of weights",
    "c": "misses, mean sum of weights",
    "d": "correct negatives, mean sum of weights",
}
"""What the mean sums are that formulas take."""


def describe(explained: Explained) -> list[str]:
    """Return what a number is made of, as lines of text."""
    row, metric = explained.row, explained.metric
    of = [f"{key} {row[key]}" for key in ("region", "season", "init_hour", "valid_hour", "case") if row[key]]
    value = "undefined" if row["value"] is None else f"{row['value']:.12g}"
    interval = "" if row["lower"] is None else f", interval {row['lower']:.6g} to {row['upper']:.6g}"
    lines = [
        f"{name_of(row)}: {value} {row['units']}{interval}",
        f"  of           {', '.join(of)}",
        f"  source       {row['source']}",
        f"  truth        {row['truth']}: {explained.truth.root or ' '.join(explained.truth.command)}",
        f"  formula      {metric.name} = {metric.formula} ({metric.long_name}; {metric.reference})",
        f"  aggregation  {metric.aggregation}",
        *(f"  sum {name:<8} {value:.12g} ({SUMS[name]})" for name, value in explained.sums.items()),
        f"  counts       n_pairs {row['n_pairs']}, n_inits {row['n_inits']}, n_days {row['n_days']}",
        f"  sample       {row['sample']}: {', '.join(explained.compared)}",
        "",
    ]
    for part in explained.parts:
        value = "undefined alone" if math.isnan(part.value) else f"{part.value:.12g}"
        sums = ", ".join(f"{name} {value:.12g}" for name, value in part.sums.items())
        lines.append(f"  {part.init_time:%Y-%m-%dT%H:%M}  {metric.name} {value}  ({sums}; {part.pairs} pairs)")
        lines += [f"    statistics {path}" for path in part.files]
        lines.append(f"    forecast   {part.forecast}")
    return lines


@command
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--param", help="Param, such as T_2M.")
@click.option("--metric", help="Metric, such as RMSE.")
@click.option("--source", help="Label or id of the source.")
@click.option("--lead_time", type=float, help="Hours.")
@click.option("--truth", help="Label of the truth, where there are several.")
@click.option("--threshold", help="Event of a categorical metric, such as '> 0.1'.")
@click.option("--scale", type=float, help="Size in km of the boxes that are averaged over [default: 0, the grid].")
@click.option("--region", help="Region [default: all].")
@click.option("--season", help="DJF, MAM, JJA or SON [default: all].")
@click.option("--init_hour", help="Hour of the init times, such as 00 [default: all].")
@click.option("--valid_hour", help="Hour of the valid times, such as 12 [default: all].")
@click.option("--case", help="Name of a case [default: none].")
def main(results, **keys):
    """Say what one number of scores.parquet is made of.

    RESULTS is the folder of results of an experiment:

        explain_score.py output/results/demo_67727458 --param T_2M --metric RMSE --source tinycast --lead_time 12

    The number is made again from the statistics in the store, which stay as they are. Exit with
    status 1 if they give another one.
    """
    path = results / "plan.json"
    explained = explain_score(Plan.from_json(read_text(path), str(path)).verification, results, keys)
    for line in describe(explained):
        click.echo(line)
    explained.check()
    click.echo(f"\nmade again from these files: {explained.recomputed}, the same")


if __name__ == "__main__":
    main()
