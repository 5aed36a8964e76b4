"""`make lint` refuses what breaks on versions of Nextflow that are not here."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
RETRY = "executor {\n    submit.retry.reason = 'a|b'\n    retry.reason = 'a|b'\n}\n"


def check(path: Path, text: str) -> list[str]:
    """Return what is said of a file with this text, without its name."""
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    script = [sys.executable, PROJECT / "tools" / "check_nextflow.py", path]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == (1 if done.stdout else 0) and not done.stderr, done.stderr
    return [line.removeprefix(f"{path}:") for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.nf", 'process A {\n    publishDir "${meta.store}", mode: \'copy\'\n}', "2: a dynamic publishDir is a closure"),
        ("a.nf", 'process A {\n    publishDir("${meta.store}")\n}', "2: a dynamic publishDir is a closure"),
        ("a.nf", "\nx = Channel.of(1)", "2: write channel."),
        ("a.nf.test", "\nx = Channel.of(1)", "2: write channel."),
        ("a.nf", "/* one\ntwo */\n    tuple val(a), stdin()", "3: write stdin without brackets"),
        ("modules/a/main.nf", "x = params.outdir", "1: a module has no params"),
        ("a.nf.test", "def meta = { id -> [id: id] }\nx = meta('a')", "2: call a closure by meta.call("),
        ("a.nf", f"x = '{'y' * 116}'", "1: 122 characters; a line has at most 120"),
        ("a.config", RETRY.replace("    retry.", "    // retry."), "2: executor.submit.retry.reason needs executor.retry"),
        ("a.config", RETRY.replace("submit.retry.reason", "queueSize"), "3: executor.retry.reason needs executor.submit"),
    ],
)  # fmt: skip
def test_refused(tmp_path, name, text, said):
    (line,) = check(tmp_path / name, text)
    assert line.startswith(said)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.nf", 'process A {\n    publishDir { "${meta.store}" }, mode: \'copy\' // not publishDir "x"\n}'),
        ("main.nf", "/* params\n   Channel.of */\nx = begin(params)\ny = channel.of(1)"),
        ("modules/a/main.nf", "process A {\n    input:\n    tuple val(meta), stdin // no params\n}"),
        ("a.nf.test", "def meta = { id -> [id: id] }\nx = meta.call('a')\ny = other.meta(1)"),
        ("a.nf", f"x = '{'─' * 114}'"),
        ("a.config", RETRY),
        ("a.config", "executor.queueSize = 3"),
    ],
)
def test_accepted(tmp_path, name, text):
    assert check(tmp_path / name, text) == []
