# shellcheck shell=bash
# Sourced by the other scripts of this folder: where things lie, progress lines, one clear line on failure.

regatta_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
regatta_deps="${REGATTA_DEPS:-${HOME:?set HOME or REGATTA_DEPS to a folder for dependencies}/.cache/regatta}"
export REGATTA_DEPS="$regatta_deps"
# shellcheck disable=SC2034  # read by the scripts that source this
regatta_start=$SECONDS
step_number=0
step_count=0

# die MESSAGE [CODE]: the last line a user sees. Codes as in docs/operations.md.
die() {
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  exit "${2:-1}"
}

# step TEXT COMMAND...: runs COMMAND with its output in a log file; says every 20 s how far it is.
# On failure it shows the log's end and gives the command's status.
step() {
  local text="$1" log heartbeat status=0 begin=$SECONDS
  shift
  step_number=$((step_number + 1))
  mkdir -p "$regatta_deps/logs"
  log="$regatta_deps/logs/$(basename "$0" .sh)-$step_number.log"
  printf '[%d/%d] %s\n' "$step_number" "$step_count" "$text"
  (while sleep 20 >/dev/null 2>&1 9>&-; do
    printf '      %4d s  %s\n' "$((SECONDS - begin))" "$(tail -n 1 "$log" | tr -d '\r' | cut -c 1-90)"
  done) &
  heartbeat=$!
  "$@" >"$log" 2>&1 || status=$?
  kill "$heartbeat" 2>/dev/null || true
  wait "$heartbeat" 2>/dev/null || true
  if [ "$status" -ne 0 ]; then
    tail -n 25 "$log" >&2
    printf '      failed after %d s; whole log: %s\n' "$((SECONDS - begin))" "$log" >&2
    return "$status"
  fi
  printf '      %d s\n' "$((SECONDS - begin))"
}

# show_step TEXT: the same line for a command whose own output is worth reading.
show_step() {
  step_number=$((step_number + 1))
  printf '[%d/%d] %s\n' "$step_number" "$step_count" "$1"
}

# How many compilers fit: one a core, 2 GB each (a file with torch/torch.h takes 1.6 GB).
build_jobs() {
  local cores memory_jobs
  cores="$(nproc)"
  memory_jobs="$(awk '/^MemAvailable/ {print int($2 / 2097152)}' /proc/meminfo)"
  [ "$memory_jobs" -ge 1 ] || memory_jobs=1
  echo "$((cores < memory_jobs ? cores : memory_jobs))"
}

# configure PRESET|keep [OPTION...]: CMake into build/. `keep` leaves an existing build folder's options as they are.
configure() {
  local preset="$1"
  shift
  local options=(-DREGATTA_DEPS="$regatta_deps" -DREGATTA_PYTHON="$regatta_deps/python/bin/python")
  [ -z "${REGATTA_LIBTORCH:-}" ] || options+=(-DLIBTORCH_ROOT="$REGATTA_LIBTORCH")
  if [ "$preset" = keep ]; then
    cmake -S "$regatta_root" -B "$regatta_root/build" "${options[@]}"
  else
    (cd "$regatta_root" && cmake --preset "$preset" -B build "${options[@]}" "$@")
  fi
}

# Open MPI refuses root without both of these; containers and CI run as root.
if [ "$(id -u)" -eq 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
