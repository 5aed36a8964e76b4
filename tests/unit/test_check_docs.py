"""`make lint` refuses lines of Markdown that are too long."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
LONG = " ".join(["word"] * 21)  # 104 characters
SHORT = LONG[:100]


def check(path: Path, text: str) -> list[str]:
    """Return what is said of a document with this text, without its name."""
    path.write_text(text)
    done = subprocess.run([sys.executable, PROJECT / "tools" / "check_docs.py", path], capture_output=True, text=True)
    assert done.returncode == (1 if done.stdout else 0) and not done.stderr, done.stderr
    return [line.removeprefix(f"{path}:") for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LONG, 1),
        (f"short\n- {LONG}", 2),
        (f"```\ncode\n```\n{LONG}", 4),
        (f"```\n~~~\n{LONG}\n```\n{LONG}", 5),  # one fence does not close the other
        (f"{SHORT} `code`", 1),
        (f"- text\n    {LONG}", 2),
        (f"{SHORT} [a link](docs/usage.md)", 1),
    ],
)
def test_refused(tmp_path, text, line):
    (said,) = check(tmp_path / "a.md", text)
    assert said.startswith(f"{line}: ") and said.endswith("characters; a line of prose has at most 100")


@pytest.mark.parametrize(
    "text",
    [
        SHORT,
        f"| {LONG} |",
        f"```sh\n{LONG}\n```",
        f"text\n\n    code\n    {LONG}",
        f"  ~~~\n{LONG}\n  ~~~\n{SHORT}",
        f"see https://example.org/{'x' * 100}",
        f"{SHORT[:90]} [link](https://example.org/{'x' * 100})",
    ],
)
def test_allowed(tmp_path, text):
    assert check(tmp_path / "a.md", text) == []
