#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD EMBED: installs BUILD to a fresh prefix, moves the prefix (nothing may remember where it
# was), builds the project EMBED against it and runs its guest; then runs the installed command.
set -euo pipefail
build=$1 embed=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/staged" >/dev/null
mv "$work/staged" "$work/installed"

cmake -S "$embed" -B "$work/embed" -G Ninja -DCMAKE_CXX_COMPILER=clang++-19 \
    -DCMAKE_PREFIX_PATH="$work/installed" >/dev/null
cmake --build "$work/embed"
output=$("$work/embed/embed" "$work/embed/guest.elf")
expected='hello from an embedded guest
embedded ended with status 7'
if [ "$output" != "$expected" ]; then
    printf 'embedded guest printed:\n%s\nexpected:\n%s\n' "$output" "$expected" >&2
    exit 1
fi

# The installed command finds its images beside itself.
output=$("$work/installed/bin/cops" run -- hello)
[ -n "$output" ] || { echo "the installed command's hello printed nothing" >&2; exit 1; }
echo "embedded guest and installed command ran"
