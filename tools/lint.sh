#!/usr/bin/env bash
# Check style, types and structure of the Python code, the documents, and the Nextflow code as far as there is a tool
# for that. `make lint` calls this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

status=0
.venv/bin/python3 -m ruff check bin tests tools || status=1
.venv/bin/python3 -m ruff format --check bin tests tools || status=1
.venv/bin/python3 -m mypy || status=1
.venv/bin/python3 -m pytest -q tests/unit/test_rooms.py || status=1

# find_files NAME...: files of these names, but none below hidden folders, work and output.
find_files() {
  local names=() name
  for name; do names+=(-o -name "$name"); done
  find . \( -path './.?*' -o -path ./work -o -path ./output \) -prune -o -type f \( "${names[@]:1}" \) -print | sort
}

mapfile -t documents < <(find_files '*.md')
.venv/bin/python3 tools/check_docs.py "${documents[@]}" || status=1

mapfile -t scripts < <(find_files '*.nf' '*.config' | grep -v '/nf-test.config$')
mapfile -t suites < <(find_files '*.nf.test')
.venv/bin/python3 tools/check_nextflow.py "${scripts[@]}" "${suites[@]}" || status=1

read -r version _ <.tools/nextflow.stamp
if [[ $(printf '25.04\n%s\n' "$version" | sort -V | head -1) == 25.04 ]]; then
  .tools/bin/nextflow lint "${scripts[@]}" || status=1
elif type -P nf-lint >/dev/null; then
  nf-lint "${scripts[@]}" || status=1
else
  echo "Nextflow code was not checked: Nextflow $version has no 'lint' (25.04 and later have), and nf-lint is not on PATH."
fi
exit "$status"
