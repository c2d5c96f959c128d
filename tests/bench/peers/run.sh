#!/usr/bin/env bash
# Measures Regatta, PyG and DGL on the same graphs, inputs and parameters, and writes table and plot.
#
# usage: tests/bench/peers/run.sh OUT [compare.py's options]
#   tests/bench/peers/run.sh results                                        the generated graph alone
#   tests/bench/peers/run.sh results --graph github=edges.csv.gz --graph cornell=edges2.csv.gz:features=256
#   tests/bench/peers/run.sh results --cora --sweep --dropout 0 --dropout 0.6
# REGATTA names the program (default: build/bin/regatta); docs/benchmarks.md explains the columns.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../../.." && pwd)"
regatta="${REGATTA:-$root/build/bin/regatta}"
case "${1:-}" in
  '' | -*) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
out="$1"
shift
[ -x "$regatta" ] || { echo "$regatta is not there: build it, or name it by REGATTA" >&2; exit 2; }
environments="$("$here/setup.sh")"
pyg="$(awk '$1 == "pyg" {print $2}' <<<"$environments")"
dgl="$(awk '$1 == "dgl" {print $2}' <<<"$environments")"
export PYTHONDONTWRITEBYTECODE=1
"$pyg" "$here/compare.py" --regatta "$regatta" --out "$out" --pyg "$pyg" --dgl "$dgl" --cora-config "$root/configs/cora.yaml" "$@"
"$pyg" "$here/plot.py" "$out/peers.json" "$out/peers"
