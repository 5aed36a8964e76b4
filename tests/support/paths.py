"""Where things are in the checkout."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BIN = PROJECT / "bin"
DEMO = PROJECT / "assets" / "demo"
