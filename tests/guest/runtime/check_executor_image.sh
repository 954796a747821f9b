#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_executor_image.sh VDSO APPLICATIONS: fails unless the executor can be mapped read-execute into any
# process (no writable data, no thread-local storage, no library function, no floating point, no
# relocation), exports what calls.inc names as version COPS_1, and is not in the applications as well.
set -euo pipefail
image=$1
applications=$2
calls=$(dirname "${BASH_SOURCE[0]}")/../../../guest-runtime/executor/include/executor/calls.inc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "check_executor_image: $*" >&2; exit 1; }

writable=$(llvm-readelf-19 -SW "$image" | awk '/PROGBITS|NOBITS|DYNAMIC/ && / W[A-Z]* /')
[ -z "$writable" ] || fail "writable sections: $writable"
segments=$(llvm-readelf-19 -lW "$image" | awk '$1 == "LOAD" { print $7 $8 }')
[ "$segments" = RE ] || fail "segments other than one read-execute one: $segments"
relocations=$(llvm-readelf-19 -rW "$image" | grep -c R_RISCV || true)
[ "$relocations" = 0 ] || fail "$relocations relocations remain"
wanted=$(llvm-nm-19 -D --undefined-only "$image")
[ -z "$wanted" ] || fail "it calls what it has not: $wanted"

llvm-objdump-19 -d "$image" >"$work/code"
[ "$(grep -c . "$work/code")" -gt 500 ] || fail "no code in $image"
floats=$(grep -E $'\t(c\.)?f(l[wd]|s[wd]|lwsp|ldsp|swsp|sdsp|mv|add|sub|mul|div|cvt)' "$work/code" || true)
[ -z "$floats" ] || fail "floating point, which the interrupt entry does not save: $floats"

sed -n 's/^COPS_EXECUTOR_CALL(\(.*\))$/cops_executor_\1@@COPS_1/p' "$calls" | sort >"$work/promised"
llvm-nm-19 -D --defined-only "$image" | sed -n 's/.* T //p' | sort >"$work/exported"
diff "$work/promised" "$work/exported" >&2 || fail "exports (>) differ from calls.inc (<)"

count=0
for application in "$applications"/*; do
    count=$((count + 1))
    # Its way into the image is a load and a jump; a copy of the executor would be in this namespace.
    inside=$(llvm-nm-19 "$application" | grep -c ' [tTwW] _ZN8executor' || true)
    [ "$inside" = 0 ] || fail "$application contains executor code"
done
[ "$count" -ge 10 ] || fail "only $count applications in $applications"
echo "check_executor_image: $(wc -l <"$work/promised") functions, no data, no relocations; $count applications without"
