#!/usr/bin/env bash
# Make this checkout ready to run: system packages, the Python environment .venv, and Nextflow in .tools/bin.
#
#   tools/setup.sh [--dev] [--slurm]     --dev: also what tests and linting need; --slurm: a Slurm for its tests
#
# What is done already is not done again, and what was interrupted is done anew: each step writes its stamp last.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONHOME PYTHONPATH
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf 'setup: %s\n' "$*"; }

# die LINE...
die() {
  {
    printf 'setup: '
    printf '%s\n' "$@"
  } >&2
  exit 1
}

have() { type -P "$1" >/dev/null; }

# logged NAME COMMAND...: run a command quietly; where it fails, show the end of its output and stop.
logged() {
  local log=.tools/log/$1.log
  shift
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 25 "$log" | sed 's/^/  | /' >&2
    die "that failed; all of its output is in $log"
  fi
}

# --- Python: .venv/.stamp and .venv/.stamp-dev hold the Python version and the digest of the requirements

venv_key() {
  local version
  version=$(.venv/bin/python3 -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || return 1
  echo "$version $(cat "$@" | sha256sum)"
}

stamped() { [[ -f $1 && $(<"$1") == "$2" ]]; }

venv_ready() {
  local key
  key=$(venv_key requirements.txt) && stamped .venv/.stamp "$key"
}

dev_ready() {
  local key
  key=$(venv_key requirements.txt requirements-dev.txt) && stamped .venv/.stamp-dev "$key"
}

# Set `python` to the first Python that runs (shims may not) and is new enough, rather to one that can make
# environments; fail where that one cannot.
find_python() {
  local name candidate
  python=''
  for name in python3 python3.13 python3.12 python3.11; do
    while read -r candidate; do
      [[ $(realpath -s "$candidate") == "$PWD"/.venv/* ]] && continue
      "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
      [[ $python ]] || python=$candidate
      if "$candidate" -I -c 'import ensurepip, venv' 2>/dev/null; then
        python=$candidate
        return 0
      fi
    done < <(type -aP "$name")
  done
  return 1
}

pip_install() {
  .venv/bin/python3 -m pip --disable-pip-version-check install --no-input --no-user --progress-bar off \
    --require-hashes "$@"
}

make_venv() { rm -rf .venv && "$python" -m venv .venv && pip_install "$@"; }

set_up_python() {
  local files=(-r requirements.txt)
  [[ $dev ]] && files+=(-r requirements-dev.txt)
  if ! venv_ready; then
    say "making .venv with $python"
    logged venv make_venv "${files[@]}"
  elif [[ $dev ]] && ! dev_ready; then
    say "adding what tests need to .venv"
    rm -f .venv/.stamp .venv/.stamp-dev
    logged venv pip_install "${files[@]}"
  else
    return 0
  fi
  if [[ $dev ]]; then
    venv_key requirements.txt requirements-dev.txt >.venv/.stamp-dev
  fi
  venv_key requirements.txt >.venv/.stamp
}

# --- Nextflow: .tools/bin/nextflow is a link; .tools/nextflow.stamp holds its version and what it depends on

launcher=../../tools/nextflow/nextflow

nextflow_key() {
  local target
  [[ -x .tools/bin/nextflow ]] && target=$(readlink .tools/bin/nextflow) || return 1
  if [[ $target == "$launcher" ]]; then
    [[ -d .tools/nextflow/lib ]] && sha256sum <tools/nextflow/pom.xml
  else
    echo "$target $(stat -L -c '%s %Y' "$target") ${NXF_VER:-}"
  fi
}

nextflow_ready() {
  local key
  key=$(nextflow_key) && [[ -f .tools/nextflow.stamp && $(sed 1d .tools/nextflow.stamp) == "$key" ]]
}

# Print the version of a Nextflow; or why it cannot be used, and fail.
nextflow_version() {
  local text
  if ! text=$(cd .tools && timeout --foreground 300 "$1" -version </dev/null 2>&1) ||
    ! [[ $text =~ version\ +(([0-9]+)\.([0-9]+)[0-9a-z.-]*) ]]; then
    echo "it does not run: $(grep -m 1 . <<<"$text")"
    return 1
  fi
  if ((10#${BASH_REMATCH[2]} * 100 + 10#${BASH_REMATCH[3]} < 2410)); then
    echo "version ${BASH_REMATCH[1]} is older than 24.10"
    return 1
  fi
  echo "${BASH_REMATCH[1]}"
}

# Set `nextflow` to the first usable Nextflow on PATH.
find_nextflow() {
  local candidate answer
  nextflow=''
  while read -r candidate; do
    candidate=$(realpath -s "$candidate")
    [[ $candidate == "$PWD"/.tools/* ]] && continue
    if answer=$(nextflow_version "$candidate"); then
      nextflow=$candidate
      return 0
    fi
    say "$candidate is not used: $answer"
  done < <(type -aP nextflow)
  return 1
}

download_nextflow() {
  local home options=()
  home=$(getent passwd "$EUID" | cut -d: -f6) || true  # Maven goes by this, not by $HOME
  [[ $home && -w $home ]] || options+=("-Dmaven.repo.local=$PWD/.tools/maven")
  rm -rf .tools/nextflow &&
    mvn -q -B --strict-checksums "${options[@]}" -f tools/nextflow/pom.xml \
      dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$PWD/.tools/nextflow/lib" &&
    rm -rf .tools/maven
}

set_up_nextflow() {
  local version
  nextflow_ready && return 0
  rm -f .tools/nextflow.stamp
  if [[ -z $nextflow ]]; then
    say "getting Nextflow from Maven Central"
    logged nextflow download_nextflow
  fi
  ln -sfn "${nextflow:-$launcher}" .tools/bin/nextflow
  version=$(nextflow_version "$PWD/.tools/bin/nextflow") || die "Nextflow: $version"
  say "Nextflow $version${nextflow:+ ($nextflow)}"
  { echo "$version" && nextflow_key; } >.tools/nextflow.stamp
}

# --- System packages, by their names in Debian and Ubuntu

java_works() {
  local home=${NXF_JAVA_HOME:-${JAVA_HOME:-}} java text
  java=${home:+$home/bin/}java
  [[ -z ${NXF_JAVA_HOME:-} && -x ${JAVA_CMD:-} ]] && java=$JAVA_CMD
  text=$("$java" -version 2>&1) || return 1
  [[ $text =~ version\ \"([0-9]+) ]] && ((BASH_REMATCH[1] >= 17))
}

# missing PACKAGE WHAT: note a package and what it is needed for.
missing() {
  packages+=("$1")
  reasons+=("$(printf '  %-22s (%s)' "$1" "$2")")
}

# Set `packages` to the system packages that are missing.
find_missing() {
  local java=1 name
  packages=() reasons=()
  java_works || java=''
  [[ $java ]] || missing default-jre-headless "Java 17 or later"
  if ! nextflow_ready; then
    if [[ $java ]]; then
      find_nextflow || have mvn || missing maven "gets Nextflow: no version from 24.10 on is on PATH"
    elif ! have nextflow && ! have mvn; then
      missing maven "gets Nextflow: it is not on PATH"
    fi
  fi
  if ! venv_ready && ! find_python; then
    name=${python##*/}
    [[ $python ]] || missing python3 "3.11 or later"
    missing "${name:-python3}-venv" "Python's venv and ensurepip"
  fi
  if ! have mksquashfs || ! have unsquashfs; then
    missing squashfs-tools "mksquashfs, unsquashfs: images of environments"
  fi
  # Without these, images are unpacked on each node: slower, but not a reason to refuse where one cannot install.
  if ! have squashfs-mount && ((EUID == 0)) && have apt-get; then
    have squashfuse || missing squashfuse "mounts images"
    have fusermount3 || missing fuse3 "fusermount3: mounts images"
  fi
  have ps || missing procps "ps: Nextflow watches tasks with it"
  have unshare || missing util-linux "unshare: private mounts"
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q || echo "going on with the package lists of before"
  apt-get install -q -y --no-install-recommends "$@"
}

set_up_system() {
  local installed=''
  find_missing
  while ((${#packages[@]})); do
    if [[ $installed == *" ${packages[0]} "* ]]; then
      die "still missing after their installation:" "${reasons[@]}" \
        "Java is looked for in \$JAVA_CMD, \$JAVA_HOME/bin and on PATH; all else on PATH ($PATH)."
    fi
    if ((EUID != 0)) || ! have apt-get; then
      die "these system packages (by their names in Debian and Ubuntu) are missing:" "${reasons[@]}" \
        "Install them, then try again. On Debian and Ubuntu:" \
        "  sudo apt-get update && sudo apt-get install --no-install-recommends ${packages[*]}"
    fi
    say "installing system packages: ${packages[*]}"
    logged apt install_packages "${packages[@]}"
    installed+=" ${packages[*]} "
    hash -r
    find_missing  # with Java, Nextflow may turn out to be too old
  done
}

# A Slurm that make test-slurm starts and stops by itself. Without it those tests are left out, so nothing here is an error.
set_up_slurm() {
  local name packages=()
  ((EUID == 0)) && have apt-get || return 0
  for name in slurmctld slurmd sbatch:slurm-client munged:munge; do
    PATH=$PATH:/usr/sbin have "${name%:*}" || packages+=("${name#*:}")
  done
  ((${#packages[@]})) || return 0
  say "installing a Slurm for tests: ${packages[*]}"
  install_packages "${packages[@]}" >.tools/log/slurm.log 2>&1 </dev/null ||
    say "that failed (.tools/log/slurm.log says why): tests that need a Slurm are left out"
}

# A browser that the tests of pages open. Without it those tests are left out, so nothing here is an error. It is tried
# once: every target runs this set-up.
set_up_browser() {
  ((EUID == 0)) && have apt-get || return 0
  if have chromium || have chromium-browser || have google-chrome || [[ -f .tools/log/browser.log ]]; then return 0; fi
  say "installing a browser for tests: chromium"
  install_packages chromium fonts-dejavu-core >.tools/log/browser.log 2>&1 </dev/null ||
    say "that failed (.tools/log/browser.log says why; remove it to try again): tests in a browser are left out"
}

dev='' slurm=''
for option; do
  case $option in
    --dev) dev=1 ;;
    --slurm) slurm=1 ;;
    *) die "usage: tools/setup.sh [--dev] [--slurm]" ;;
  esac
done
nextflow=''
python=''
mkdir -p .tools/bin .tools/log
if have flock; then
  exec 9>.tools/lock
  flock -n 9 || (($? != 1)) || { say "waiting for another set-up of this checkout" && flock 9; }
fi
set_up_system
set_up_python
set_up_nextflow
if [[ $slurm ]]; then set_up_slurm; fi
if [[ $dev ]]; then set_up_browser; fi
