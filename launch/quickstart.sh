#!/usr/bin/env bash
# From nothing to a trained model: sets up, builds, preprocesses the shipped Cora graph into 4 HDF5 chunks, trains a
# graph-attention network on 2 ranks, evaluates it. Again at will: what is done already is not done twice.
#
# usage: launch/quickstart.sh        (environment: as launch/setup.sh)
set -euo pipefail
# shellcheck source=launch/environment.sh
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
[ $# -eq 0 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2; }

readonly config=configs/quickstart.yaml dataset=runs/quickstart/dataset run=runs/quickstart/run
readonly regatta=build/bin/regatta
step_count=5
cd "$regatta_root"

build() {
  if [ -e build/CMakeCache.txt ]; then
    configure keep
  else
    configure release -DREGATTA_BUILD_TESTS=OFF
  fi && cmake --build build --target regatta -j "$(build_jobs)"
}

# "accuracy" of the object "test" in the run's summary.
test_accuracy() {
  tr -d '\n' <"$run/summary.json" | sed -n 's/.*"test": *{[^}]*"accuracy": *\([0-9.eE+-]*\).*/\1/p'
}

show_step 'setup'
bash launch/setup.sh | sed 's/^/      /' || exit 4
step 'build of the program (a first one takes minutes)' build || die 'the build failed, see above'
show_step 'preprocess: raw files of Cora into 4 graph chunks'
"$regatta" preprocess "$config"
show_step 'train: mpirun -n 2'
train_begin=$SECONDS
mpirun -n 2 --oversubscribe --bind-to none "$regatta" train "$config" --set runtime.device=cpu
train_seconds=$((SECONDS - train_begin))
show_step 'evaluate the best checkpoint'
mpirun -n 2 --oversubscribe --bind-to none "$regatta" evaluate "$run" "$dataset"

cat <<END

Cora test accuracy $(test_accuracy), trained in $train_seconds s by 2 ranks; everything took $((SECONDS - regatta_start)) s.
  model    $regatta_root/$run/checkpoints/best
  metrics  $regatta_root/$run/metrics.jsonl and summary.json
  chunks   $regatta_root/$dataset
Try next:
  $regatta inspect $dataset
  $regatta preprocess configs/cora.yaml && $regatta train configs/cora.yaml --seeds 10     (about 83 % on average)
  $regatta predict $run $dataset --probabilities --output runs/predictions.csv
END
