#!/usr/bin/env bash
# Pretend hosts for tests: network namespaces with a name and an address each, on one bridge. Disk, memory and process
# numbers are this machine's. Needs root and iproute2.
#
# usage: hosts.sh up N | down N       N hosts, numbered from 0
#        hosts.sh in HOST COMMAND...  runs COMMAND there
#        hosts.sh cut HOST            its link carries nothing any more, in both directions
#        hosts.sh heal HOST
#        hosts.sh name HOST | address HOST
set -euo pipefail
readonly bridge=regatta-switch mark='# regatta-rig'
usage() { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage

name() { echo "regatta$1"; }
address() { echo "10.77.0.$((10 + $1))"; }
# nsenter, not `ip netns exec`: that mounts /sys anew, and slurmd then finds no control groups.
inside() { nsenter --net="/run/netns/$1" "${@:2}"; }

up() {
  local host
  down "$1"
  ip netns add "$bridge"
  inside "$bridge" ip link add br0 type bridge
  inside "$bridge" ip link set br0 up
  for ((host = 0; host < $1; ++host)); do
    ip netns add "$(name "$host")"
    ip link add "link$host" netns "$bridge" type veth peer name eth0 netns "$(name "$host")"
    inside "$bridge" ip link set "link$host" master br0 up
    inside "$(name "$host")" ip address add "$(address "$host")/24" dev eth0
    inside "$(name "$host")" ip link set eth0 up
    inside "$(name "$host")" ip link set lo up
    echo "$(address "$host") $(name "$host") $mark" >>/etc/hosts
  done
}

down() {
  local host others
  for ((host = 0; host < $1; ++host)); do
    ip netns del "$(name "$host")" 2>/dev/null || true
  done
  ip netns del "$bridge" 2>/dev/null || true
  others="$(grep -v "$mark\$" /etc/hosts)"
  # In place: /etc/hosts of a container is a mount and cannot be replaced.
  printf '%s\n' "$others" >/etc/hosts
}

# Returns when the link carries again; hosts forget that their neighbours could not be found.
heal() {
  local other
  inside "$bridge" ip link set "link$1" up
  for _ in $(seq 50); do
    ! inside "$bridge" ip -o link show "link$1" | grep -q 'state UP' || break
    sleep 0.1
  done
  for other in /run/netns/regatta[0-9]*; do
    inside "${other##*/}" ip neighbour flush dev eth0
  done
}

case "$1" in
  up | down) "$1" "$2" ;;
  in)
    [ $# -ge 3 ] || usage
    # shellcheck disable=SC2016
    exec nsenter --net="/run/netns/$(name "$2")" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$(name "$2")" "${@:3}"
    ;;
  cut) inside "$bridge" ip link set "link$2" down ;;
  heal) heal "$2" ;;
  name | address) "$1" "$2" ;;
  *) usage ;;
esac
