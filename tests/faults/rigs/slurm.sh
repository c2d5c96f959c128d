#!/usr/bin/env bash
# A Slurm cluster for tests on this machine, without systemd: on its loopback, or over the hosts of hosts.sh.
#
# usage: slurm.sh up FOLDER            one node, this machine
#        slurm.sh up FOLDER HOSTS      controller on host 0, a node on each of hosts 1 to HOSTS - 1
#        slurm.sh down FOLDER          stops every daemon that it started, and removes FOLDER
# Afterwards: export SLURM_CONF=FOLDER/slurm.conf. Needs root, slurm-wlm and munge (Debian 12).
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
[ $# -ge 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder="$2" hosts="${3:-0}"
export SLURM_CONF="$folder/slurm.conf"

# Without hosts of their own, commands run here.
on_host() {
  local host="$1"
  shift
  if [ "$hosts" -eq 0 ]; then "$@"; else "$here/hosts.sh" in "$host" "$@"; fi
}

nodes() {
  if [ "$hosts" -eq 0 ]; then
    echo "NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=4000 State=UNKNOWN"
    return
  fi
  local host name address
  for ((host = 1; host < hosts; ++host)); do
    name="$("$here/hosts.sh" name "$host")" address="$("$here/hosts.sh" address "$host")"
    mkdir -p "$folder/tmp-$name"
    echo "NodeName=$name NodeAddr=$address CPUs=$(nproc) RealMemory=4000 State=UNKNOWN"
  done
}

write_configuration() {
  local controller
  controller="$(hostname -s)(127.0.0.1)"
  [ "$hosts" -eq 0 ] || controller="$("$here/hosts.sh" name 0)($("$here/hosts.sh" address 0))"
  cat >"$SLURM_CONF" <<END
ClusterName=regatta
SlurmctldHost=$controller
SlurmUser=root
MpiDefault=pmix
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobRequeue=1
SlurmdTimeout=20
KillWait=5
SchedulerParameters=sched_interval=5,bf_interval=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
$([ "$hosts" -eq 0 ] || echo "TmpFS=$folder/tmp-%n")
$(nodes)
PartitionName=p Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
END
}

start_munge() {
  mkdir -p /run/munge /var/log/munge /var/lib/munge
  chown munge: /run/munge /var/log/munge /var/lib/munge
  if munge -n >/dev/null 2>&1; then
    return
  fi
  runuser -u munge -- /usr/sbin/munged --force 2>/dev/null
  cp /run/munge/munged.pid "$folder/munged.pid"
}

wait_for_nodes() {
  local wanted=$((hosts == 0 ? 1 : hosts - 1)) attempt
  for ((attempt = 0; attempt < 60; ++attempt)); do
    [ "$(on_host 0 sinfo -h -N -o %t 2>/dev/null | grep -c idle || true)" -ne "$wanted" ] || return 0
    sleep 0.5
  done
  echo "slurm.sh: after 30 s not all of $wanted nodes are idle; logs are in $folder/log" >&2
  exit 4
}

up() {
  local host
  mkdir -p "$folder/state" "$folder/log" "$folder/spool"
  write_configuration
  start_munge
  on_host 0 slurmctld
  if [ "$hosts" -eq 0 ]; then
    slurmd -N "$(hostname -s)"
  fi
  for ((host = 1; host < hosts; ++host)); do
    on_host "$host" slurmd
  done
  wait_for_nodes
}

# A node that was cut off leaves these, as their controller cannot tell them to end.
end_job_steps() {
  local pid
  for pid in $(pgrep -x slurmstepd || true); do
    ! grep -qz "^SLURM_CONF=$SLURM_CONF\$" "/proc/$pid/environ" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  done
}

down() {
  local file pid
  for file in "$folder"/slurmd-*.pid "$folder"/slurmctld.pid "$folder"/munged.pid; do
    [ -f "$file" ] || continue
    pid="$(cat "$file")"
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
  done
  end_job_steps
  rm -rf "$folder"
}

case "$1" in
  up) up ;;
  down) down ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
