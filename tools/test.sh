#!/usr/bin/env bash
# Run all tests: pytest, then the nf-test suites where nf-test is on PATH. `make test` calls this.
#
#   tools/test.sh [FOLDER...]     with folders: the tests of pytest in these, and nothing else
#
# $PYTEST_ARGS: more arguments for pytest. The last line is `N passed, N failed, N skipped`, over both.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.tools/bin:$PATH" NXF_ANSI_LOG=false

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
passed=0 failed=0 skipped=0

# tally NAME STATUS REPORT: add up the tests in a JUnit report. No report, no tests, or a failure that the report does not
# show counts as one failed test.
tally() {
  local name=$1 status=$2 p=0 f=0 s=0
  read -r p f s < <(.venv/bin/python3 - "$3" <<'PYTHON'
import sys
from xml.etree import ElementTree

totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
try:
    for suite in ElementTree.parse(sys.argv[1]).iter("testsuite"):
        for name in totals:
            totals[name] += int(suite.get(name, 0))
except (OSError, ElementTree.ParseError) as error:
    print(f"no report: {error}", file=sys.stderr)
failed = totals["failures"] + totals["errors"]
print(max(totals["tests"] - failed - totals["skipped"], 0), failed, totals["skipped"])
PYTHON
  ) || true
  if ((p + f + s == 0)); then
    echo "$name: no test was run (exit status $status)" >&2
    f=1
  elif ((status != 0 && f == 0)); then
    echo "$name: exit status $status, though no test failed" >&2
    f=1
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

status=0
# shellcheck disable=SC2086  # a list of words
.venv/bin/python3 -m pytest -q -rs --junitxml "$reports/pytest.xml" ${PYTEST_ARGS:-} "$@" </dev/null || status=$?
tally pytest "$status" "$reports/pytest.xml"

if (($#)); then
  echo
  echo "$passed passed, $failed failed, $skipped skipped"
  exit $((failed > 0))
fi

mapfile -t suites < <(find tests -name '*.nf.test' -not -path '*/.*' | sort)
if ! type -P nf-test >/dev/null; then
  echo "nf-test is not on PATH: ${#suites[@]} nf-test suite(s) were left out."
elif ((${#suites[@]} == 0)); then
  echo "There are no nf-test suites in tests/."
else
  status=0  # nf-test writes its report in the encoding of the locale, and fails where that is not UTF-8
  LC_ALL=C.UTF-8 nf-test test --ci --junitxml "$reports/nf-test.xml" "${suites[@]}" </dev/null || status=$?
  tally nf-test "$status" "$reports/nf-test.xml"
fi

echo
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
