#!/usr/bin/env python3
"""Refuse by text, in Nextflow's files, what breaks on a version that is not here: 25.10 and 26.04 are stricter than 24.10.

tools/check_nextflow.py FILE...     prints file:line: what is wrong; exit status 1 where anything is
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_LENGTH = 120
RULES = [
    # files, what they must not hold (outside comments), why
    (r"\.nf$", r"\bpublishDir\s*\(?\s*\"", "a dynamic publishDir is a closure: publishDir { \"…\" }"),
    (r"\.nf$|\.nf\.test$", r"\bChannel\.", "write channel., not Channel."),
    (r"\.nf$|\.nf\.test$", r"\bstdin\s*\(", "write stdin without brackets"),
    (r"modules/.*\.nf$", r"\bparams\b", "a module has no params: what it needs is handed to it"),
]  # fmt: skip
RETRY_KEYS = {
    "submit.retry.reason": re.compile(r"\bsubmit\.retry\.reason\s*="),
    "retry.reason": re.compile(r"(?<!submit\.)\bretry\.reason\s*="),
}
"""24.10 and 25.04 read the first, later versions the second: a config needs both."""


def without_comments(text: str) -> str:
    """Return a script without its comments, line by line where it was."""
    text = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.S)
    return re.sub(r"(?m)(^|\s)//.*$", "", text)


def check(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of each problem in a file."""
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MAX_LENGTH:
            yield number, f"{len(line)} characters; a line has at most {MAX_LENGTH}"
    code = without_comments(text)
    for files, pattern, why in RULES:
        if re.search(files, path.as_posix()):
            for found in re.finditer(pattern, code):
                yield code.count("\n", 0, found.start()) + 1, why
    for name in re.findall(r"\bdef (\w+) = \{", code):
        for found in re.finditer(rf"(?<![.\w]){name}\(", code):
            yield code.count("\n", 0, found.start()) + 1, f"call a closure by {name}.call("
    keys = [name for name, pattern in RETRY_KEYS.items() if pattern.search(code)]
    if len(keys) == 1:
        (other,) = RETRY_KEYS.keys() - keys
        found = RETRY_KEYS[keys[0]].search(code)
        yield code.count("\n", 0, found.start()) + 1, f"executor.{keys[0]} needs executor.{other} beside it"


def main(files: list[str]) -> int:
    """Print what is wrong with files, and return the exit status."""
    problems = [f"{name}:{line}: {what}" for name in files for line, what in sorted(check(Path(name)))]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
