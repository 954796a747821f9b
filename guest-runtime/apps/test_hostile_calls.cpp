// SPDX-License-Identifier: Apache-2.0
// Each system call that takes an address, with addresses that are not the process's: EFAULT, every
// time, and nothing written.
#include "test_hostile.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>

namespace {

constexpr long kAddress = 0x7a5e;  // takes the place of the address in the tables below

struct Call {
    const char* name;
    long number;
    std::array<long, 6> arguments;
};

std::array<char, 512> scratch;
int file = -1;

long answer(const Call& call, std::uint64_t address) {
    std::array<long, 6> a = call.arguments;
    for (long& argument : a) {
        argument = argument == kAddress ? static_cast<long>(address) : argument;
    }
    return syscall(call.number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

void expect_fault(const Call& call, std::uint64_t address) {
    const long error = answer(call, address);
    if (error != EFAULT) {
        std::printf("%s with %#lx: error %ld\n", call.name, address, error);
    }
    check(error == EFAULT, "a bad address is a fault");
}

void refuse_input() {
    const long text = reinterpret_cast<long>("/app");
    const long out = reinterpret_cast<long>(scratch.data());
    const Call calls[] = {
        {"write", SYS_write, {1, kAddress, 64}},
        {"writev list", SYS_writev, {1, kAddress, 1}},
        {"readv list", SYS_readv, {file, kAddress, 1}},
        {"openat", SYS_openat, {AT_FDCWD, kAddress, O_RDONLY}},
        {"newfstatat path", SYS_newfstatat, {AT_FDCWD, kAddress, out, 0}},
        {"faccessat", SYS_faccessat, {AT_FDCWD, kAddress, 0}},
        {"readlinkat path", SYS_readlinkat, {AT_FDCWD, kAddress, out, 64}},
        {"nanosleep", SYS_nanosleep, {kAddress, 0}},
        {"clock_nanosleep", SYS_clock_nanosleep, {0, 0, kAddress, 0}},
        {"futex", SYS_futex, {kAddress, 0, 0, 0}},
        {"attach", COPS_SYS_ATTACH, {kAddress}},
        {"submit", COPS_SYS_SUBMIT, {kAddress, 1}},
        {"spawn path", COPS_SYS_SPAWN_PROCESS, {kAddress, 0, 0}},
        {"spawn arguments", COPS_SYS_SPAWN_PROCESS, {text, kAddress, 0}},
        {"spawn environment", COPS_SYS_SPAWN_PROCESS, {text, 0, kAddress}},
    };
    for (const Call& call : calls) {
        for (const std::uint64_t address :
             {kUnmapped,
              kKernelText,
              kKernelUart,
              kKernelStack,
              kBetweenHalves,
              ~std::uint64_t{0} - 7}) {
            expect_fault(call, address);
        }
    }
}

// What the kernel writes must not land in memory that the process itself may not write.
void refuse_output() {
    const long text = reinterpret_cast<long>("/app");
    const Call calls[] = {
        {"read", SYS_read, {file, kAddress, 64}},
        {"pread64", SYS_pread64, {file, kAddress, 64, 0}},
        {"fstat", SYS_fstat, {file, kAddress}},
        {"newfstatat", SYS_newfstatat, {AT_FDCWD, text, kAddress, 0}},
        {"getcwd", SYS_getcwd, {kAddress, 64}},
        {"clock_gettime", SYS_clock_gettime, {0, kAddress}},
        {"clock_getres", SYS_clock_getres, {0, kAddress}},
        {"gettimeofday", SYS_gettimeofday, {kAddress, 0}},
        {"uname", SYS_uname, {kAddress}},
        {"sysinfo", SYS_sysinfo, {kAddress}},
        {"getrandom", SYS_getrandom, {kAddress, 16, 0}},
        {"prlimit64", SYS_prlimit64, {0, 3, 0, kAddress}},
        {"rt_sigaction", SYS_rt_sigaction, {2, 0, kAddress, 8}},
        {"rt_sigprocmask", SYS_rt_sigprocmask, {0, 0, kAddress, 8}},
        {"sched_getaffinity", SYS_sched_getaffinity, {0, 8, kAddress}},
        {"counters", COPS_SYS_COUNTERS, {kAddress}},
    };
    for (const Call& call : calls) {
        for (const std::uint64_t address :
             {kUnmapped,
              kKernelText,
              kKernelUart,
              kKernelStack,
              kBetweenHalves,
              ~std::uint64_t{0} - 7,
              reinterpret_cast<std::uint64_t>(&refuse_output) & ~std::uint64_t{7},
              std::uint64_t{COPS_HOST_PAGE_ADDRESS},
              std::uint64_t{COPS_KERNEL_PAGE_ADDRESS}}) {
            expect_fault(call, address);
        }
    }
}

// Good lists of bad buffers.
void refuse_indirect() {
    for (const std::uint64_t address : {kUnmapped, kKernelText, kBetweenHalves}) {
        const iovec bad{reinterpret_cast<void*>(address), 64};
        const long list = reinterpret_cast<long>(&bad);
        expect_fault({"writev buffer", SYS_writev, {1, list, 1}}, 0);
        expect_fault({"readv buffer", SYS_readv, {file, list, 1}}, 0);
        const std::uint64_t strings[] = {address, 0};
        const long vector = reinterpret_cast<long>(strings);
        const long path = reinterpret_cast<long>("/app");
        expect_fault({"spawn argument", COPS_SYS_SPAWN_PROCESS, {path, vector, 0}}, 0);
        expect_fault({"spawn variable", COPS_SYS_SPAWN_PROCESS, {path, 0, vector}}, 0);
    }
}

cops::Task<int> kernel_pointers() {
    file = open("/app", O_RDONLY);
    check(file >= 0, "open");
    refuse_input();
    refuse_output();
    refuse_indirect();
    check((co_await cops::nop()).has_value(), "a request still works");
    co_return 0;
}

constexpr HostileCase kCases[] = {{"kernel-pointers", &kernel_pointers}};

}  // namespace

std::span<const HostileCase> call_cases() {
    return kCases;
}
