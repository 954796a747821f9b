#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole user space of the guest: says what it sees, works a little, powers off.
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
echo "guest: $(busybox uname -s) $(busybox uname -m)"
echo "guest: harts $(busybox nproc)"
echo "guest: sum $(busybox seq 1 1000 | busybox sha256sum)"
echo "guest: command line $(busybox cat /proc/cmdline)"
for cpu in $(busybox seq 1 "$(busybox nproc)"); do
    busybox taskset -c $((cpu - 1)) busybox sh -c 'echo "guest: ran on $0"' $((cpu - 1))
done
second=/sys/devices/system/cpu/cpu1/online
if [ -e "$second" ]; then # stops and starts the hart through SBI HSM
    echo 0 >"$second"
    echo "guest: harts without the second $(busybox nproc)"
    echo 1 >"$second"
    echo "guest: harts with it again $(busybox nproc)"
fi
for _ in 1 2 3; do
    busybox usleep 10000
done
echo "guest: slept"
if [ -n "$(busybox grep cops.read /proc/cmdline)" ]; then
    echo "guest: ready"
    read -r line
    echo "guest: read $line"
fi
case "$(busybox cat /proc/cmdline)" in
*cops.end=reboot*) busybox reboot -f ;;
*cops.end=panic*) echo c >/proc/sysrq-trigger ;;
*) busybox poweroff -f ;;
esac
