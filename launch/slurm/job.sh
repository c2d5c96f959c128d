# What the batch scripts beside it share; sourced, not run. Written for Slurm 22.05 with the pmix plug-in.
#
# environment: REGATTA           the program (default: build/bin/regatta of REGATTA_ROOT)
#              REGATTA_ROOT      the checkout (default: the folder that sbatch was called in)
#              REGATTA_LAUNCHER  srun, or mpirun for an MPI that Slurm's plug-ins do not fit (default: srun)
#              REGATTA_RESTARTS  a job is put back into the queue at most so many times (default: 20)
# shellcheck shell=bash
root="${REGATTA_ROOT:-${SLURM_SUBMIT_DIR:-$PWD}}"
export REGATTA="${REGATTA:-$root/build/bin/regatta}"
restarts="${SLURM_RESTART_COUNT:-0}"
step=''

say() { printf '%s job %s: %s\n' "$(date '+%F %T')" "${SLURM_JOB_ID:-?}" "$1"; }

stop_without() {
  say "$1"
  exit "$2"
}

check_job() {
  [ -n "${SLURM_JOB_ID:-}" ] || stop_without 'this is a batch script: start it with sbatch' 2
  [ -x "$REGATTA" ] || stop_without "no program $REGATTA; call sbatch in the checkout, or set REGATTA_ROOT or REGATTA" 4
}

# Slurm's warning reaches this script alone (--signal=B:USR1@...): passed on, it becomes a checkpoint and exit code 85.
pass_signal() {
  say 'told to stop: asking all ranks for a checkpoint'
  [ -z "$step" ] || kill -USR1 "$step" 2>/dev/null || true
}

# run_ranks ARGUMENT...: regatta on all tasks of the job. The status is regatta's exit code.
run_ranks() {
  local status=0 blocked=()
  # A warning that comes before a rank has its handler waits for it, instead of ending the rank.
  ! env --block-signal=USR1 true 2>/dev/null || blocked=(env --block-signal=USR1)
  case "${REGATTA_LAUNCHER:-srun}" in
    srun)
      # A rank that fails ends the job by MPI_Abort; --wait is for one that is left over all the same.
      srun --mpi=pmix --kill-on-bad-exit=0 --wait=60 "${blocked[@]}" "$REGATTA" "$@" &
      ;;
    mpirun)
      "$root/launch/mpirun.sh" -n "$SLURM_NTASKS" ${SLURM_CPUS_PER_TASK:+--threads "$SLURM_CPUS_PER_TASK"} -- "$@" &
      ;;
    *) stop_without "REGATTA_LAUNCHER is srun or mpirun, not '$REGATTA_LAUNCHER'" 2 ;;
  esac
  step=$!
  trap pass_signal USR1 TERM
  # A signal ends `wait` early.
  while kill -0 "$step" 2>/dev/null; do
    wait "$step" || true
  done
  wait "$step" || status=$?
  return "$status"
}

# finish STATUS: puts the job back where another start helps. Slurm ends this script while it does so.
finish() {
  local most="${REGATTA_RESTARTS:-20}"
  case "$1" in
    0) say 'done'; exit 0 ;;
    85) say 'stopped with a checkpoint' ;;
    75 | 205) say "communication failed (exit code $1)" ;;
    *) stop_without "ended with exit code $1, which another start would not mend" "$1" ;;
  esac
  [ "$restarts" -lt "$most" ] || stop_without "was started again $restarts times already (REGATTA_RESTARTS)" "$1"
  say "goes back into the queue, restart $((restarts + 1)) of at most $most"
  # Slurm ends this script by SIGTERM; one that then exits with a code of its own may be taken for a failed job.
  trap '' TERM USR1
  scontrol requeue "$SLURM_JOB_ID" || stop_without 'cannot be put back: is requeueing allowed here (sbatch --requeue)?' "$1"
  sleep 60
  exit "$1"
}
