#!/usr/bin/env bash
# Starts regatta on several ranks with Open MPI's mpirun, so that a signal becomes a checkpoint and a dead link an end.
#
# usage: launch/mpirun.sh -n RANKS [OPTION...] -- COMMAND [ARGUMENT...]
#        launch/mpirun.sh -n 4 --hosts a,b -- train configs/cora.yaml --resume
#   -n RANKS            processes
#   --hosts A:2,B:2     hosts and their slots (default: this one, or those of the batch system)
#   --hostfile FILE     the same from a file
#   --threads N         bind each rank to N cores of its own (default: not bound, the ranks of a node share its cores)
#   --outage SECONDS    the job ends once a host cannot be reached for so long (default: 30)
#   --export NAME       an environment variable for ranks on other hosts (REGATTA_, OMP_, NCCL_ and the like always go)
#   --oversubscribe     more ranks than slots
#   --mca KEY VALUE     a setting of Open MPI
#   --print             print the command and stop
# environment: REGATTA, the program (default: build/bin/regatta of this checkout); MPIRUN (default: mpirun)
# exit: as regatta (docs/operations.md); 205 when mpirun lost a host; 2 for a fault of the command line
#
# SIGTERM, SIGINT and SIGUSR1 to this script ask all ranks for a checkpoint (exit 85); a second SIGINT ends the job.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
readonly carried='^(REGATTA_|OMP_|NCCL_|CUDA_|UCX_|HDF5_|SLURM_JOB_ID$|LD_LIBRARY_PATH$|PATH$)'

usage() { sed -n '2,19s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
wrong() {
  printf 'mpirun.sh: %s; see launch/mpirun.sh --help\n' "$1" >&2
  exit 2
}
whole_number() { [[ "$2" =~ ^[1-9][0-9]{0,8}$ ]] || wrong "$1 needs a number of at least 1, not '$2'"; }

ranks='' threads='' outage=30 print=no places=() settings=() names=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --print) print=yes; shift; continue ;;
    --oversubscribe) places+=(--oversubscribe); shift; continue ;;
    -n | --hosts | --hostfile | --threads | --outage | --export) [ $# -ge 2 ] || wrong "$1 needs a value" ;;
    --mca) [ $# -ge 3 ] || wrong '--mca needs a key and a value' ;;
    *) wrong "unknown option '$1' (the command of regatta stands behind --)" ;;
  esac
  case "$1" in
    -n) whole_number "$1" "$2"; ranks="$2" ;;
    --hosts) places+=(--host "$2") ;;
    --hostfile) [ -r "$2" ] || wrong "--hostfile $2 cannot be read"; places+=(--hostfile "$2") ;;
    --threads) whole_number "$1" "$2"; threads="$2" ;;
    --outage) whole_number "$1" "$2"; outage="$2" ;;
    --export) names+=("$2") ;;
    --mca) settings+=(--mca "$2" "$3"); shift ;;
  esac
  shift 2
done
[ $# -ge 2 ] || wrong 'a command of regatta is missing behind --'
shift
[ -n "$ranks" ] || wrong '-n RANKS is missing'

program="${REGATTA:-$root/build/bin/regatta}"
[ -x "$program" ] || { printf 'mpirun.sh: no program %s; build it or set REGATTA\n' "$program" >&2; exit 4; }
if [ "$(id -u)" -eq 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

if [ -n "$threads" ]; then
  places+=(--map-by "slot:PE=$threads" --bind-to core)
  export OMP_NUM_THREADS="$threads"
else
  places+=(--bind-to none)  # else Open MPI binds each rank to one core, and all its threads share that
fi
# mpirun speaks with its daemons over TCP: a first probe after 4 s of silence, then one every 2 s. What
# odls_base_sigkill_timeout says stays as it is: mpirun sits through it at each end, without reading what ranks print.
probes=$(((outage - 3) / 2))
settings=(--mca oob_tcp_keepalive_time 4 --mca oob_tcp_keepalive_intvl 2
  --mca oob_tcp_keepalive_probes "$((probes > 1 ? probes : 1))" "${settings[@]}")
exports=()
while read -r name; do
  exports+=(-x "$name")
done < <({ compgen -e | grep -E "$carried" || true; printf '%s\n' "${names[@]}"; } | sed '/^$/d' | sort -u)

# A request that comes before a rank has its handler waits for it, instead of ending the rank.
blocked=()
! env --block-signal=USR1 true 2>/dev/null || blocked=(env --block-signal=USR1)

command=("${MPIRUN:-mpirun}" -n "$ranks" "${places[@]}" "${settings[@]}" "${exports[@]}" "${blocked[@]}" "$program" "$@")
if [ "$print" = yes ]; then
  printf '%q ' "${command[@]}"
  echo
  exit 0
fi

# On SIGTERM mpirun kills the ranks after a second; SIGUSR1 it passes on. A process group of its own keeps the
# terminal's Ctrl-C from reaching it directly.
job='' interrupts=0
ask() { [ -z "$job" ] || kill -USR1 "$job" 2>/dev/null || true; }
interrupt() {
  interrupts=$((interrupts + 1))
  if [ "$interrupts" -eq 1 ]; then ask; else kill -TERM "$job" 2>/dev/null || true; fi
}
trap ask TERM USR1
trap interrupt INT

# After an abort mpirun tells its daemons to end. Where a link is dead that message is never acknowledged, the probes
# rest while it is under way, and mpirun would wait for a quarter of an hour: it gets some seconds. Its own word of the
# abort can be lost the same way, so that of a rank serves too.
readonly most_seconds_after_abort=5
notes="$(mktemp -d)"
trap 'rm -rf "$notes"' EXIT
mkfifo "$notes/errors"
pass_errors() {
  local line
  trap '' INT USR1
  while IFS= read -r line; do
    printf '%s\n' "$line" >&2
    if [[ "$line" =~ (^with\ errorcode|job\ ends\ with\ exit\ code)\ ([0-9]+) ]] && [ ! -s "$notes/abort" ]; then
      printf '%s\n' "${BASH_REMATCH[2]}" >"$notes/abort"
    fi
  done
}
pass_errors <"$notes/errors" &
errors=$!
setsid "${command[@]}" </dev/null 2>"$notes/errors" &
job=$!
seconds=0
while kill -0 "$job" 2>/dev/null; do
  sleep 1 &
  wait -n "$job" "$!" || true
  if [ -s "$notes/abort" ] && [ $((seconds += 1)) -gt "$most_seconds_after_abort" ] && kill -0 "$job" 2>/dev/null; then
    printf 'mpirun.sh: mpirun does not end after the abort, as where a link is dead: killed\n' >&2
    kill -KILL "$job"
    kill "$errors" 2>/dev/null || true
    exit "$(cat "$notes/abort")"
  fi
done
status=0
wait "$job" || status=$?
# What is still to be passed on; an ssh to a dead host may hold that pipe for longer than this.
sleep 1 &
wait -n "$errors" "$!" || true
kill "$errors" 2>/dev/null || true
exit "$status"
