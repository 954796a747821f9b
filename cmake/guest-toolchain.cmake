# SPDX-License-Identifier: Apache-2.0
# Guest side: RV64GC, Linux ABI. The same compiler as the host; libstdc++ and libc headers come from
# Debian's g++-riscv64-linux-gnu. Freestanding parts (kernel, executor) add their own flags.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR riscv64)

set(cops_guest_triple riscv64-linux-gnu)
foreach(language C CXX ASM)
    set(CMAKE_${language}_COMPILER_TARGET ${cops_guest_triple})
    set(CMAKE_${language}_FLAGS_INIT "-march=rv64gc -mabi=lp64d -mcmodel=medany")
endforeach()
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_ASM_COMPILER clang-19)
string(APPEND CMAKE_C_FLAGS_INIT " -isystem /usr/${cops_guest_triple}/include")
# For C++ the C headers must come after libstdc++'s own: <cstdlib> finds <stdlib.h> by include_next.
string(APPEND CMAKE_CXX_FLAGS_INIT " -idirafter /usr/${cops_guest_triple}/include")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-fuse-ld=lld")

set(CMAKE_FIND_ROOT_PATH /usr/${cops_guest_triple})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
