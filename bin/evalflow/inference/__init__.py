"""Forecasts: how they are prepared, made, proved and published."""
