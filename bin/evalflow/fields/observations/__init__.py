"""Observations at stations: tables, programs and services that give them."""
