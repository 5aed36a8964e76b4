"""Forecasts to look at: animations, meteograms, and the page that shows them."""
