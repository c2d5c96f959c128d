#!/usr/bin/env bash
# Runs everything that needs a GPU, on a machine with a driver and Python's torch alone, and writes one JSON file.
# It lies in a checkout and in every folder of launch/bundle.sh.
#
# usage: gpu_check.sh [--programs DIR] [--out FILE] [--quick | --long] [--minutes N]
#   --programs DIR  a folder of launch/bundle.sh, or a build folder (default: this bundle; in a checkout build)
#   --out FILE      the report (default: gpu_check.json)
#   --quick         small benchmarks
#   --long          every benchmark
#   --minutes N     ends after so long and names what is left (default: 8, with --long 60)
# exit: 0 all passed; 1 something failed; 4 nothing failed, but no GPU or something missing or left out, named
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
say() { printf 'gpu_check.sh: %s\n' "$1" >&2; }

if [ -e "$here/share/environment.sh" ]; then  # a bundle
  root="$here" programs="$here" parts="$here/share/gpu_check"
else
  root="$(dirname "$here")" parts="$here/gpu_check"
  programs="$root/build"
fi
out="gpu_check.json" more=()
while [ $# -gt 0 ]; do
  case "$1" in
    --programs) programs="${2:?--programs needs a folder}"; shift ;;
    --out) out="${2:?--out needs a file}"; shift ;;
    --quick | --long) more+=("$1") ;;
    --minutes) more+=(--minutes "${2:?--minutes needs a number}"); shift ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
  shift
done
[ -d "$programs" ] || { say "no folder $programs: make one with launch/bundle.sh DIR, or build"; exit 4; }

# The first Python that has torch: REGATTA_PYTHON, python3, that of launch/setup.sh.
python=''
for candidate in "${REGATTA_PYTHON:-}" python3 "${REGATTA_DEPS:-${HOME:-}/.cache/regatta}/python/bin/python"; do
  [ -n "$candidate" ] || continue
  if "$candidate" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)' 2>/dev/null; then
    python="$candidate"
    break
  fi
done
[ -n "$python" ] || { say 'no Python with torch: python3 has none; name one with REGATTA_PYTHON'; exit 4; }
exec "$python" -B "$parts/check.py" --programs "$programs" --root "$root" --out "$out" "${more[@]}"
