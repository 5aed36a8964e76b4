#!/usr/bin/env python3
"""Write the weights that train.py saved as an ONNX model.

The model's input `x` is (1, 2 times, grid points, variables) and its output `y` is (1, 1, grid points, variables), both
float32, in physical units, points from north to south.

Needs click, numpy, onnx and torch.
"""

import os
import pickle
import warnings
from pathlib import Path

import click
import torch
from tinycast import TinyCast

OPSET_VERSION = 17


def load_model(weights: Path) -> TinyCast:
    """Return the model of a file that train.py wrote, ready to predict.

    Raises
    ------
    click.ClickException
        Where the file holds anything else.
    """
    try:
        saved = torch.load(weights, weights_only=True, map_location="cpu")
        state = saved["state"]
        scales = (state[name].flatten() for name in ("mean", "deviation", "increment_deviation"))
        model = TinyCast(saved["rows"], saved["columns"], *scales)
        model.load_state_dict(state)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError):
        raise click.ClickException(f"{weights}: not a file of weights that train.py wrote") from None
    return model.eval()


@click.command(help=__doc__)
@click.argument("weights", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
def main(weights: Path, output: Path) -> None:
    model = load_model(weights)
    variables = model.mean.numel()
    example = torch.zeros(1, 2, model.rows * model.columns, variables)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, and noisy about it. Its successor writes opset 18 and larger files.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            temporary,
            input_names=["x"],
            output_names=["y"],
            opset_version=OPSET_VERSION,
            dynamo=False,
        )
    temporary.replace(output)
    print(f"{output}: {output.stat().st_size} bytes, {example.shape[2]} grid points, {variables} variables")


if __name__ == "__main__":
    main()
