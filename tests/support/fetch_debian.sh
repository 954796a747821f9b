#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fetch_debian.sh [CACHE]: brings what tests need of Debian trixie (riscv64) into CACHE
# (default $COPS_DEBIAN_CACHE, else build/debian), and prints the cache's path:
#
#   Image             stock kernel, a raw RISC-V Image
#   busybox           busybox-static, a static riscv64 ELF
#   virtio-bindings/  Rust sources of rust-vmm's virtio-bindings (librust-virtio-bindings-dev)
#   versions          the package versions these came from
#
# Works by an apt configuration of its own below CACHE: the machine's package lists, sources and
# status file are neither read for package data nor changed, only its mirror and proxy are taken over.
# Does nothing when the cache is complete. Exit 77 (ctest: skipped) when the network refuses.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${1:-${COPS_DEBIAN_CACHE:-$root/build/debian}}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

say() { printf 'fetch_debian: %s\n' "$*" >&2; }
complete() { [ -s "$cache/versions" ]; }

if complete; then
    echo "$cache"
    exit 0
fi

# Tests run in parallel: one fetches, the others wait and find the cache filled.
exec 9>"$cache/.lock"
flock 9
if complete; then
    echo "$cache"
    exit 0
fi

work=$cache/.work
rm -rf "$work"
mkdir -p "$work"/{lists/partial,archives/partial,sources,unpacked}
trap 'rm -rf "$work"' EXIT

# The mirror that this machine already reaches: of its Debian package indexes, not the security one.
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CREATED_BY) $(REPO_URI)' 2>/dev/null |
    awk '$1 == "Debian" && $2 == "Packages" && $3 !~ /security/ { print $3; exit }')
mirror=${mirror:-http://deb.debian.org/debian}
cat >"$work/sources/trixie.sources" <<EOF
Types: deb
URIs: $mirror
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
EOF

options=(
    -qq
    -o APT::Architecture=riscv64
    -o APT::Architectures=riscv64
    -o Dir::State::Lists="$work/lists"
    -o Dir::State::status=/dev/null
    -o Dir::Etc::sourcelist=/dev/null
    -o Dir::Etc::sourceparts="$work/sources"
    -o Dir::Cache::archives="$work/archives"
    -o Dir::Cache::pkgcache="$work/pkgcache.bin"
    -o Dir::Cache::srcpkgcache="$work/srcpkgcache.bin"
    -o Acquire::Languages=none
    -o Acquire::Retries=3
    -o APT::Sandbox::User=
    -o APT::Update::Error-Mode=any
)

skip() {
    say "SKIPPED: $1"
    say "tests that need Debian trixie's riscv64 kernel, busybox or virtio-bindings do not run"
    exit 77
}

say "reading the index of trixie/riscv64 from $mirror"
apt-get "${options[@]}" update >&2 || skip "the package index of $mirror cannot be fetched"

# The meta package names the kernel of the day; its file disappears from mirrors at point releases.
kernel=$(apt-cache "${options[@]}" depends linux-image-riscv64 |
    awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
[ -n "$kernel" ] || { say "trixie's linux-image-riscv64 depends on no kernel image"; exit 1; }

packages=("$kernel" busybox-static librust-virtio-bindings-dev)
say "downloading ${packages[*]} (about 120 MB)"
(cd "$work" && apt-get "${options[@]}" download "${packages[@]}" >&2) ||
    skip "packages cannot be downloaded from $mirror"

# Takes only the named members out of a package.
unpack() {
    local package=$1
    shift
    dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work/unpacked" --wildcards "$@"
}
unpack "$kernel" './boot/vmlinu*'
unpack busybox-static '*bin/busybox'
unpack librust-virtio-bindings-dev './usr/share/cargo/registry/virtio-bindings-*'

one() { # the one match of find(1) with the given conditions
    local found
    found=$(find "$work/unpacked" "$@")
    [ -n "$found" ] && [ "$(wc -l <<<"$found")" -eq 1 ] ||
        { say "expected one match for $*, found: $found"; exit 1; }
    printf '%s' "$found"
}
image=$(one -path '*/boot/vmlinu*' -type f)
busybox=$(one -name busybox -type f)
bindings=$(one -maxdepth 6 -type d -name 'virtio-bindings-*')

# "RISCV" at offset 0x30 marks an uncompressed Image.
[ "$(dd if="$image" bs=1 skip=48 count=5 status=none)" = RISCV ] ||
    { say "$image is not a raw RISC-V Image"; exit 1; }

rm -rf "$cache/virtio-bindings"
mv "$image" "$cache/Image"
mv "$busybox" "$cache/busybox"
mv "$bindings" "$cache/virtio-bindings"
chmod 755 "$cache/busybox"
(cd "$work" && for package in *.deb; do
    dpkg-deb --show --showformat='${Package} ${Version}\n' "$package"
done) >"$work/versions"
mv "$work/versions" "$cache/versions" # last: marks the cache as complete
say "done: $(tr '\n' ' ' <"$cache/versions")"
echo "$cache"
