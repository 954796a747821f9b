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
if [ -n "$(busybox grep cops.work /proc/cmdline)" ]; then
    # Files and pipes, a large file, many processes, floating point.
    busybox mkdir -p /work/a/b
    busybox seq 1 2000000 >/work/large
    echo "guest: large $(busybox sha256sum </work/large)"
    busybox gzip -1 </work/large | busybox gunzip | busybox cmp - /work/large && echo "guest: packed"
    busybox head -n 20000 /work/large | busybox sort -rn | busybox tail -n 1 >/work/a/b/least
    (cd /work && busybox tar cf - a) | busybox tar xf - -C /work/a
    echo "guest: copied $(busybox cat /work/a/a/b/least), $(busybox find /work -type f | busybox wc -l) files"
    n=0
    while [ $n -lt 200 ]; do
        busybox true && n=$((n + 1))
    done
    for worker in 1 2 3 4; do
        busybox sh -c 'n=0; while [ $n -lt 50 ]; do (exit $((n % 7))) || :; n=$((n + 1)); done' &
    done
    wait
    echo "guest: processes $n"
    echo "guest: float $(busybox awk 'BEGIN {
        x = 1
        for (i = 1; i <= 20000; i++) {
            s += i * 1.5 / (i * i + 0.25)
            x = x * 1.0003 - s / 1000000
        }
        printf "%.10f %.6e %.3f %d", s, x, -x / 7, s * 1000 }')"
fi
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
