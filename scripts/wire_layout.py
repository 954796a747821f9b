# SPDX-License-Identifier: Apache-2.0
"""What our C headers of the wire hold, and what a compiler makes of it: constants, and sizes,
alignments and offsets of structs. The compiler writes them as assembly, so nothing has to run."""

import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "virtio-cops/include"
VIRTIO = [f"virtio/virtio_{name}.h" for name in ("config", "ids", "mmio", "ring")]
COPS = ["virtio_cops/virtio_cops.h", "virtio_cops/user_interrupts.h"]

COMPILERS = {
    "clang": ["clang-19", "-xc", "-std=c17"],
    "clang++": ["clang++-19", "-xc++", "-std=c++23"],
    "gcc": ["gcc", "-xc", "-std=c17"],
    "g++": ["g++", "-xc++", "-std=c++20"],
    "riscv64 clang": ["clang-19", "--target=riscv64-linux-gnu", "-xc", "-std=c17",
                      "-march=rv64imac", "-mabi=lp64", "-ffreestanding"],
    "riscv64 clang++": ["clang++-19", "--target=riscv64-linux-gnu", "-xc++", "-std=c++23",
                        "-march=rv64gc", "-mabi=lp64d", "-ffreestanding", "-nostdlibinc"],
    "riscv64 gcc": ["riscv64-linux-gnu-gcc", "-xc", "-std=c17"],
    "riscv64 g++": ["riscv64-linux-gnu-g++", "-xc++", "-std=c++20"],
}

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
DEFINE = re.compile(r"^#define[ \t]+(\w+)[ \t]+(\S[^\n]*)$", re.MULTILINE)
STRUCT = re.compile(r"\bstruct (\w+) \{(.*?)\};", re.DOTALL)
FIELD = re.compile(r"(\w+)\s*(?:\[[^\]]*\])?;")
MARK = re.compile(r'@@ (\S+) [$#]?(-?\d+)')


def text_of(header):
    return COMMENT.sub("", (INCLUDE / header).read_text())


def constants(header):
    """Names of the object-like macros with an integer value, in order."""
    return [name for name, value in DEFINE.findall(text_of(header)) if not value.startswith('"')]


def structs(header):
    """Struct name -> field names, in order."""
    return {name: FIELD.findall(body) for name, body in STRUCT.findall(text_of(header))}


def evaluate(compiler, prologue, expressions):
    """Values of named C expressions ("name" -> "expression") in the compiler `compiler` (a list)."""
    lines = [prologue, "#include <stddef.h>", "void probe(void); void probe(void) {"]
    for name, expression in expressions.items():
        lines.append(f'__asm__ volatile(".ascii \\"@@ {name} %0\\"" : : "i"((long long)({expression})));')
    lines.append("}")
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "probe"
        source.write_text("\n".join(lines) + "\n")
        command = [*compiler, "-I", str(INCLUDE), "-S", "-o", "-", str(source)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}:\n{result.stderr}")
    found = {name: int(value) for name, value in MARK.findall(result.stdout)}
    missing = set(expressions) - set(found)
    if missing:
        raise SystemExit(f"{command[0]} did not say: {', '.join(sorted(missing))}")
    return found


def includes(headers):
    return "\n".join(f"#include <{header}>" for header in headers)


def layout_expressions(structures):
    """Expressions for size and alignment of each struct and the offset of each field."""
    align = "_Alignof"
    for struct, fields in structures.items():
        yield f"{struct}:size", f"sizeof(struct {struct})"
        yield f"{struct}:align", f"{align}(struct {struct})"
        for field in fields:
            yield f"{struct}.{field}", f"offsetof(struct {struct}, {field})"
