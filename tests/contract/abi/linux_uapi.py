#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every constant and struct of our <virtio/...> headers against the installed <linux/virtio_*.h>, where
that has the name: a generated source of static assertions must compile. (In C; Linux's is not C++.)"""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "scripts"))

import wire_layout as wire  # noqa: E402

# A new name must be found in Linux's header, unless it stands here: virtio 1.2 has it and Linux's
# UAPI has not, or it is newer than the headers of Debian 12.
NOT_IN_LINUX = {
    "VIRTIO_MMIO_QUEUE_RESET", "VIRTIO_MMIO_MAGIC", "VIRTIO_MMIO_CURRENT_VERSION",
    "VIRTIO_F_NOTIFICATION_DATA", "VIRTIO_F_NOTIF_CONFIG_DATA", "VIRTIO_F_ADMIN_VQ",
    "VIRTIO_ID_CLOCK",
}


def source(ours):
    """Linux's values first, then ours; ours keep out of the way by other struct names."""
    names = [name for header in wire.VIRTIO for name in wire.constants(header)]
    structures = wire.structs("virtio/virtio_ring.h")
    lines = [f"#include <linux/{header.split('/')[1]}>" for header in wire.VIRTIO]
    lines.append("#include <stddef.h>")
    for name in names:
        lines += [f"#ifdef {name}", f"enum {{ linux_{name} = {name} }};",
                  f"#define has_{name} 1", "#elif !" + str(int(name in NOT_IN_LINUX)),
                  f'#error "{name} is not in <linux/virtio_*.h>"', "#endif"]
    lines += [f"#define {struct} ours_{struct}" for struct in structures]
    lines += [f"#undef {name}" for name in names]
    lines.append(wire.includes(ours))
    lines += [f"#undef {struct}" for struct in structures]
    for name in names:
        lines += [f"#ifdef has_{name}",
                  f'_Static_assert(linux_{name} == ({name}), "{name}");', "#endif"]
    for struct, fields in structures.items():
        for ask in ("sizeof({})", "_Alignof({})"):
            same = f"{ask.format('struct ' + struct)} == {ask.format('struct ours_' + struct)}"
            lines.append(f'_Static_assert({same}, "{struct}");')
        for field in fields:
            lines.append(f"_Static_assert(offsetof(struct {struct}, {field}) == "
                         f'offsetof(struct ours_{struct}, {field}), "{struct}.{field}");')
    return names, structures, "\n".join(lines) + "\n"


def main():
    names, structures, text = source(wire.VIRTIO)
    failed = False
    for what in ("clang", "gcc", "riscv64 gcc"):
        compiler = wire.COMPILERS[what]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "linux_uapi"
            path.write_text(text)
            command = [*compiler, "-w", "-I", str(wire.INCLUDE), "-fsyntax-only", str(path)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            print(f"{what}:\n{result.stderr}")
            failed = True
    print(f"linux_uapi: {len(names)} constants, {len(structures)} structs, "
          f"{'differences' if failed else 'as in the installed Linux headers'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
