#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_executor_image.sh LIBRARY: fails unless the executor can be mapped read-only into any process:
# no writable data, no thread-local storage, no library function, no floating point, no relocation left
# when it is linked as one position-independent image.
set -euo pipefail
library=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "check_executor_image: $*" >&2; exit 1; }

data=$(llvm-readelf-19 -SW "$library" | awk '$0 ~ /\.(data|bss|tdata|tbss|init_array|ctors)/ && $0 !~ / 000000 00 /')
[ -z "$data" ] || fail "writable or thread-local sections: $data"

llvm-objdump-19 -d "$library" >"$work/code"
[ "$(grep -c . "$work/code")" -gt 500 ] || fail "no code in $library"
floats=$(grep -E $'\t(c\.)?f(l[wd]|s[wd]|lwsp|ldsp|swsp|sdsp|mv|add|sub|mul|div|cvt)' "$work/code" || true)
[ -z "$floats" ] || fail "floating point, which the interrupt entry does not save: $floats"

# --no-undefined: whatever it calls is its own. -z text: no relocation in the code.
ld.lld-19 -shared --no-undefined -z text --whole-archive "$library" -o "$work/image" ||
    fail "does not link as one image"
relocations=$(llvm-readelf-19 -rW "$work/image" | grep -c R_RISCV || true)
[ "$relocations" = 0 ] || fail "$relocations relocations remain"
writable=$(llvm-readelf-19 -SW "$work/image" | awk '/PROGBITS|NOBITS/ && / WA? / && !/relro_padding/')
[ -z "$writable" ] || fail "writable sections in the image: $writable"
exports=$(llvm-nm-19 -D --defined-only "$work/image" | grep -c ' T cops_executor_')
[ "$exports" -ge 20 ] || fail "only $exports functions exported"
echo "check_executor_image: $exports functions, no data, no relocations"
