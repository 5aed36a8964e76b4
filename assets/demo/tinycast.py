"""TinyCast: a convolutional forecaster with 14 thousand parameters for a small box of latitudes and longitudes.

The wheel beside this file holds this module alone: checkpoints name its classes, and an environment needs it to load them.
"""

import numpy as np
import torch
from torch.nn.functional import gelu


def _same_size_convolution(inputs: int, outputs: int, kernel: int) -> torch.nn.Conv2d:
    """Return a convolution that keeps the grid's size; the borders are continued outwards."""
    return torch.nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode="replicate")


class TinyCast(torch.nn.Module):
    """Predict the increment to the next state from the last two states.

    The network sees standardised fields and each point's position, with rows from south to north; `predict_step` takes
    and gives physical units, with rows from north to south as GRIB has them.

    Parameters
    ----------
    rows, columns : size of the grid
    mean, deviation : (variables,), physical units; they standardise each variable
    increment_deviation : (variables,), standardised units; typical increment in one step, scales the network's output
    width : channels of the hidden layers
    dropout : share of the hidden channels that are dropped in training
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        mean: np.ndarray,
        deviation: np.ndarray,
        increment_deviation: np.ndarray,
        width: int = 24,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if not len(mean) == len(deviation) == len(increment_deviation):
            raise ValueError("mean, deviation and increment_deviation must have one number per variable")
        variables = len(mean)
        self.rows, self.columns = rows, columns
        self.input_layer = _same_size_convolution(2 * variables + 2, width, 5)
        self.hidden_layer = _same_size_convolution(width, width, 3)
        self.output_layer = torch.nn.Conv2d(width, variables, 1)
        self.dropout = torch.nn.Dropout2d(dropout)
        scales = {"mean": mean, "deviation": deviation, "increment_deviation": increment_deviation}
        for name, values in scales.items():
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32).reshape(1, variables, 1, 1))
        axes = torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns)
        self.register_buffer("position", torch.stack(torch.meshgrid(*axes, indexing="ij"))[None])

    def step(self, previous: torch.Tensor, current: torch.Tensor) -> torch.Tensor:
        """Return the next state; all states are (batch, variables, rows, columns), standardised, south to north."""
        position = self.position.expand(len(current), -1, -1, -1)
        hidden = gelu(self.input_layer(torch.cat([previous, current, position], dim=1)))
        hidden = self.dropout(gelu(self.hidden_layer(hidden)))
        return current + self.output_layer(hidden) * self.increment_deviation

    def predict_step(self, states: torch.Tensor, **kwargs: object) -> torch.Tensor:
        """Return the next state in physical units; the name and the shapes are those that anemoi-inference calls.

        Parameters
        ----------
        states : (batch, 2 times, grid points, variables), physical units, north to south, the newer state last
        kwargs : ignored; callers may pass what other models need

        Returns
        -------
        (batch, 1 ensemble member, grid points, variables), physical units
        """
        batch, times, points, variables = states.shape
        fields = states.float().permute(0, 1, 3, 2).reshape(batch, times, variables, self.rows, self.columns).flip(-2)
        standardised = (fields - self.mean[:, None]) / self.deviation[:, None]
        with torch.autocast(device_type=states.device.type, enabled=False):
            following = self.step(standardised[:, 0], standardised[:, 1]) * self.deviation + self.mean
        return following.flip(-2).reshape(batch, variables, points).permute(0, 2, 1)[:, None]

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Do the same as `predict_step`; the ONNX exporter traces this."""
        return self.predict_step(states)


class Persistence(torch.nn.Module):
    """Predict that nothing changes; a model without weights."""

    def predict_step(self, states: torch.Tensor, **kwargs: object) -> torch.Tensor:
        """Return the newer of two states; shapes are those of `TinyCast.predict_step`."""
        return states[:, -1:]


class Interpolation(torch.nn.Module):
    """A temporal downscaler without weights: the state half-way between two is their mean."""

    def predict_step(self, states: torch.Tensor, **kwargs: object) -> torch.Tensor:
        """Return the state in the middle and the newer of two states.

        Parameters
        ----------
        states : (batch, 2 times, grid points, variables)
        kwargs : ignored

        Returns
        -------
        (batch, 2 times, 1 ensemble member, grid points, variables)
        """
        return torch.stack([states.mean(dim=1), states[:, 1]], dim=1)[:, :, None]
