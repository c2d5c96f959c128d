#!/usr/bin/env bash
# Installs what building needs (with --tests: what the tests need too). A second call takes under 2 s.
#
# usage: launch/setup.sh [--tests] [--no-system]
#   --tests      also the test libraries and the Python packages that results are compared with
#   --no-system  the system libraries are there (modules, Spack, ...): do not look for Debian packages
# environment: REGATTA_DEPS      folder for dependencies (default: ~/.cache/regatta)
#              REGATTA_LIBTORCH  a LibTorch of yours: a folder with include/ and lib/
set -euo pipefail
# shellcheck source=launch/environment.sh
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

readonly exit_usage=2 exit_environment=4
readonly spack_specs='openmpi hdf5~mpi+hl yaml-cpp metis spdlog fmt cli11 nlohmann-json highway isa-l random123 cmake ninja'
with_tests=no
with_system=yes
for argument in "$@"; do
  case "$argument" in
    --tests) with_tests=yes ;;
    --no-system) with_system=no ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown argument '$argument'; see launch/setup.sh --help" "$exit_usage" ;;
  esac
done

packages_in() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@"; }

# Says what this system is; only Debian 12 has been tried.
check_system() {
  local id=unknown version=''
  if [ -r /etc/os-release ]; then
    id="$(. /etc/os-release && echo "${ID:-unknown}")"
    version="$(. /etc/os-release && echo "${VERSION_ID:-}")"
  fi
  case "$id $version" in
    'debian 12') ;;
    'ubuntu 22.04' | 'ubuntu 24.04') echo "      $id $version: package names are known, but this system is untested" ;;
    *)
      packages_elsewhere
      die "$id ${version:-(no version)} is not a system whose packages are known (Debian 12, Ubuntu 22.04/24.04); \
get the libraries above, then run: launch/setup.sh --no-system" "$exit_environment"
      ;;
  esac
}

packages_elsewhere() {
  cat >&2 <<END
Needed: a C++20 compiler (GCC 11 or newer), CMake 3.22, Ninja, MPI, HDF5 (serial), yaml-cpp, METIS, spdlog, fmt,
CLI11, nlohmann-json, Highway, ISA-L, Random123, Python 3.10 or newer with venv.
  on a cluster:  module avail gcc cmake openmpi hdf5      and module load what it offers
  with Spack:    spack install $spack_specs
END
}

# One dpkg-query for the whole list; prints what is not installed. dpkg-query fails when it does not know one of
# the names: under errexit and pipefail that would end this function with nothing printed.
missing_packages() {
  local installed
  installed="$( (dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true) |
    awk '$2 == "installed" {print $1}')"
  printf '%s\n' "$@" | grep -Fxv -f <(printf '%s\n' "$installed") || true
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  "$@" apt-get update && "$@" apt-get install -y --no-install-recommends "${missing[@]}"
}

install_system_packages() {
  local lists=("$regatta_root/launch/packages/build.txt")
  [ "$with_tests" = no ] || lists+=("$regatta_root/launch/packages/test.txt")
  mapfile -t wanted < <(packages_in "${lists[@]}")
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if [ "${#missing[@]}" -eq 0 ]; then
    echo "      ${#wanted[@]} packages are there"
    return
  fi
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      packages_elsewhere
      die "system packages are missing and this user may not install them; ask for: \
sudo apt-get install --no-install-recommends ${missing[*]}" "$exit_environment"
    fi
    as_root=(sudo -n DEBIAN_FRONTEND=noninteractive)
  fi
  step_number=$((step_number - 1))
  step "system packages: installing ${missing[*]}" apt_install "${as_root[@]}" ||
    die "apt-get could not install: ${missing[*]} (is the package mirror reachable?)" "$exit_environment"
}

# A Python >= 3.10 that can make virtual environments.
find_python() {
  local candidate
  for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  die "no Python 3.10 to 3.14 with venv found; install python3 and python3-venv" "$exit_environment"
}

check_space() {
  local free_gb
  free_gb="$(df -Pk "$regatta_deps" | awk 'NR == 2 {print int($4 / 1048576)}')"
  [ "$free_gb" -ge "$1" ] ||
    die "$regatta_deps has $free_gb GB free, $1 GB are needed; set REGATTA_DEPS to a roomier folder" "$exit_environment"
}

install_python_packages() {
  "$1" -m pip install --disable-pip-version-check --no-input --progress-bar off "${@:2}"
}

python_packages() {
  local venv="$regatta_deps/python" lists=("$regatta_root/launch/packages/python.txt") list stamp python
  [ "$with_tests" = no ] || lists+=("$regatta_root/launch/packages/python-test.txt")
  local arguments=() stamps=()
  for list in "${lists[@]}"; do
    stamp="$venv/installed-$(sha256sum <"$list" | cut -c 1-16)"
    if [ ! -e "$stamp" ] || [ ! -x "$venv/bin/python" ]; then
      arguments+=(-r "$list")
      stamps+=("$stamp")
    fi
  done
  if [ "${#arguments[@]}" -eq 0 ]; then
    echo "      $(packages_in "${lists[@]}" | tr '\n' ' ')are there"
    return
  fi
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    check_space 12
    python="$(find_python)"
    "$python" -m venv --clear "$venv" || die "$python could not make $venv" "$exit_environment"
  fi
  step_number=$((step_number - 1))
  step 'Python packages (torch 2.11.0 and what it needs are 5 GB at first)' \
    install_python_packages "$venv/bin/python" "${arguments[@]}" ||
    die "pip could not install the Python packages into $venv (is the package index reachable?)" "$exit_environment"
  touch "${stamps[@]}"
}

check_libtorch() {
  ls "$REGATTA_LIBTORCH/lib/libtorch_cpu.so" "$REGATTA_LIBTORCH/include/ATen/ATen.h" >/dev/null 2>&1 ||
    die "REGATTA_LIBTORCH=$REGATTA_LIBTORCH has no lib/libtorch_cpu.so or no include/ATen/ATen.h" "$exit_environment"
  echo "      LibTorch of yours: $REGATTA_LIBTORCH"
}

main() {
  step_count=3
  mkdir -p "$regatta_deps" || die "cannot create $regatta_deps; set REGATTA_DEPS to a folder you may write" "$exit_environment"
  exec 9>"$regatta_deps/setup.lock"
  flock -w 3600 9 || die "another setup has held $regatta_deps/setup.lock for an hour" "$exit_environment"
  show_step 'system'
  [ "$with_system" = no ] || check_system
  show_step 'system packages'
  [ "$with_system" = no ] || install_system_packages
  show_step 'LibTorch and Python packages'
  [ -z "${REGATTA_LIBTORCH:-}" ] || check_libtorch
  if [ -z "${REGATTA_LIBTORCH:-}" ] || [ "$with_tests" = yes ]; then
    python_packages
  fi
  echo "setup done in $((SECONDS - regatta_start)) s; dependencies: $regatta_deps"
}

main
