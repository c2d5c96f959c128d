#!/usr/bin/env bash
# Makes the Python environments of the peers below REGATTA_DEPS/peers. A second call takes a second.
#
# usage: tests/bench/peers/setup.sh [--no-dgl]
# Prints two lines for run.sh: `pyg PYTHON` and `dgl PYTHON`, or `dgl -` where DGL cannot be installed.
# Where launch/setup.sh --tests has put PyG and torch, they are shared instead of installed again.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
deps="${REGATTA_DEPS:-$HOME/.cache/regatta}"
peers="$deps/peers"
with_dgl=yes
case "${1:-}" in
  '') ;;
  --no-dgl) with_dgl=no ;;
  *) echo "unknown argument '$1'; see $0" >&2; exit 2 ;;
esac
mkdir -p "$peers"

say() { echo "peers: $*" >&2; }

# make_environment NAME PYTHON: an environment with the packages of NAME.txt, made again when the list changes.
make_environment() {
  local venv="$peers/$1" python="$2" stamp
  stamp="$venv/installed-$(sha256sum <"$here/$1.txt" | cut -c 1-16)"
  if [ ! -e "$stamp" ]; then
    say "installing $1 ($(grep -v '^#' "$here/$1.txt" | tr '\n' ' '))"
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv" >&2 || return 1
    share_site_packages "$1" "$venv"
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --quiet -r "$here/$1.txt" >&2 || return 1
    touch "$stamp"
  fi
  echo "$venv/bin/python"
}

# PyG's environment sees the packages that the tests' oracles are in already.
share_site_packages() {
  [ "$1" = pyg ] && [ -x "$deps/python/bin/python" ] || return 0
  local shared own
  shared="$("$deps/python/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
  own="$("$2/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
  echo "$shared" >"$own/shared_with_tests.pth"
}

# DGL 2.1.0 has wheels for Python 3.8 to 3.11.
python_for_dgl() {
  local candidate
  for candidate in "$deps/python/bin/python" python3.11 python3.10 python3.9 python3; do
    if "$candidate" -c 'import sys, venv; sys.exit(not (3, 8) <= sys.version_info[:2] <= (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

python="$deps/python/bin/python"
[ -x "$python" ] || python=python3
pyg="$(make_environment pyg "$python")" || { say "PyG cannot be installed into $peers/pyg"; exit 4; }
dgl=-
if [ "$with_dgl" = yes ]; then
  if candidate="$(python_for_dgl)"; then
    dgl="$(make_environment dgl "$candidate")" || { say 'DGL cannot be installed here; going on without it'; dgl=-; }
  else
    say 'DGL 2.1.0 needs Python 3.8 to 3.11, and there is none; going on without it'
  fi
fi
echo "pyg $pyg"
echo "dgl $dgl"
