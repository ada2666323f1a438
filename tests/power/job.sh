#!/bin/sh
# What fsmond runs in the machine: says on disk what it was given, and ends when that is durable.
exec 8<"$1" || exit 1
echo "$FSMON_EVENT_ID $1 $(cksum <&8 | tr ' ' -)" >>/log/job && fsync /log/job
