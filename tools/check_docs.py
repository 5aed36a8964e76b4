#!/usr/bin/env python3
"""Refuse lines of Markdown that are too long to read side by side.

tools/check_docs.py FILE...     prints file:line: what is wrong; exit status 1 where anything is

Tables and blocks of code may be wider, and URLs do not count.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_LENGTH = 100
_FENCE = re.compile(r"\s*(```|~~~)")
_TABLE = re.compile(r"\s*\|")
_URL = re.compile(r"https?://[^\s)>]+|(?<=\])\([^)\s]+\)")
"""A URL, or where a link leads to."""


def check(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of each problem in a file."""
    fence, before, is_code = "", "", False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        mark = _FENCE.match(line)
        if mark:
            fence = "" if fence == mark[1] else fence or mark[1]
        # A block of code is indented, too, where no text goes before it.
        is_code = line.startswith("    ") and (is_code or not before.strip())
        before = line
        if not mark and not fence and not is_code and not _TABLE.match(line):
            size = len(_URL.sub("", line))
            if size > MAX_LENGTH:
                yield number, f"{size} characters; a line of prose has at most {MAX_LENGTH}"


def main(files: list[str]) -> int:
    """Print what is wrong with files, and return the exit status."""
    problems = [f"{name}:{line}: {what}" for name in files for line, what in check(Path(name))]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
