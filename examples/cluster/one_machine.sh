#!/bin/bash
# Trains one model by several processes on this machine, without a launcher. usage: one_machine.sh N kaem train ...
#   examples/cluster/one_machine.sh 4 build/kaem train --dataset MNIST --name four
set -u
count=$1
shift
processes=()
for ((rank = 0; rank < count; ++rank)); do
  RANK=$rank WORLD_SIZE=$count LOCAL_RANK=$rank LOCAL_WORLD_SIZE=$count MASTER_ADDR=127.0.0.1 \
    MASTER_PORT=${MASTER_PORT:-29500} "$@" &
  processes+=($!)
done
# What a scheduler sends to this script goes on to the first of them, which tells the others.
for signal in INT TERM USR1 HUP; do trap 'kill -s '$signal' "${processes[0]}" 2>/dev/null' $signal; done
worst=0
for process in "${processes[@]}"; do
  while true; do
    wait "$process"
    status=$?
    kill -0 "$process" 2>/dev/null || break # else a signal has ended the waiting, not the process
  done
  ((status > worst)) && worst=$status
done
exit $worst
