#!/bin/sh
# Open MPI's plm_rsh_agent for the hosts of hosts.sh: agent.sh HOST COMMAND...
host="$1"
shift
exec "$(dirname "$0")/hosts.sh" in "${host#regatta}" sh -c "$*"
