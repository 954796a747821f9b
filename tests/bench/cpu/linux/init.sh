#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole user space of the guest: says when it is up, works, waits for a line, powers off.
export PATH=/bin
busybox mount -t proc proc /proc
echo "bench: shell"
busybox dd if=/dev/zero of=/file bs=64k count=64 2>/dev/null
busybox sha256sum /file /bin/busybox
for n in $(busybox seq 1 60); do
    busybox seq 1 200 | busybox grep -c 7 | busybox tr '\n' ' ' >>/counts
done
busybox wc -c </counts
busybox awk 'BEGIN { for (i = 1; i < 60000; ++i) s += (i * 1.5) / (i + 0.25); print s }'
busybox gzip -c /bin/busybox | busybox gunzip -c | busybox md5sum
echo "bench: done"
read -r line
busybox poweroff -f
