// SPDX-License-Identifier: Apache-2.0
#include "arch/riscv64/csr.hpp"
#include "base/log.hpp"
#include "proc/schedule.hpp"
#include "syscall/syscall.hpp"

namespace kernel {

namespace {

/// Linux riscv64 (asm-generic) system call numbers.
enum Number : std::uint64_t {
    nr_getcwd = 17,
    nr_dup = 23,
    nr_dup3 = 24,
    nr_fcntl = 25,
    nr_ioctl = 29,
    nr_faccessat = 48,
    nr_openat = 56,
    nr_close = 57,
    nr_lseek = 62,
    nr_read = 63,
    nr_write = 64,
    nr_readv = 65,
    nr_writev = 66,
    nr_pread64 = 67,
    nr_pwrite64 = 68,
    nr_readlinkat = 78,
    nr_newfstatat = 79,
    nr_fstat = 80,
    nr_fsync = 82,
    nr_fdatasync = 83,
    nr_exit = 93,
    nr_exit_group = 94,
    nr_set_tid_address = 96,
    nr_futex = 98,
    nr_set_robust_list = 99,
    nr_nanosleep = 101,
    nr_clock_gettime = 113,
    nr_clock_getres = 114,
    nr_clock_nanosleep = 115,
    nr_sched_getaffinity = 123,
    nr_sched_yield = 124,
    nr_kill = 129,
    nr_tkill = 130,
    nr_tgkill = 131,
    nr_sigaltstack = 132,
    nr_rt_sigaction = 134,
    nr_rt_sigprocmask = 135,
    nr_uname = 160,
    nr_gettimeofday = 169,
    nr_getpid = 172,
    nr_getppid = 173,
    nr_getuid = 174,
    nr_geteuid = 175,
    nr_getgid = 176,
    nr_getegid = 177,
    nr_gettid = 178,
    nr_sysinfo = 179,
    nr_brk = 214,
    nr_munmap = 215,
    nr_mmap = 222,
    nr_mprotect = 226,
    nr_madvise = 233,
    nr_riscv_flush_icache = 259,
    nr_prlimit64 = 261,
    nr_getrandom = 278,
};

constinit std::uint64_t coroutines = 0;          // atomic
constinit std::uint64_t unknown_logged[8] = {};  // bit per number below 512

std::int64_t unknown_call(std::uint64_t number) {
    const std::uint64_t bit = std::uint64_t{1} << (number % 64);
    if (number < 512
        && (__atomic_fetch_or(&unknown_logged[number / 64], bit, __ATOMIC_RELAXED) & bit) == 0) {
        debug("system call ", number, " is not implemented");
    }
    return negative(Errno::no_call);
}

// Calls about files and memory.
std::int64_t file_call(Process& process, std::uint64_t number, Arguments args) {
    switch (number) {
    case nr_read:
        return sys_read(process, args);
    case nr_write:
        return sys_write(process, args);
    case nr_readv:
        return sys_readv(process, args);
    case nr_writev:
        return sys_writev(process, args);
    case nr_pread64:
        return sys_pread(process, args);
    case nr_pwrite64:
        return sys_pwrite(process, args);
    case nr_openat:
        return sys_openat(process, args);
    case nr_close:
        return sys_close(process, args);
    case nr_lseek:
        return sys_lseek(process, args);
    case nr_fstat:
        return sys_fstat(process, args);
    case nr_newfstatat:
        return sys_fstatat(process, args);
    case nr_fsync:
    case nr_fdatasync:
        return sys_fsync(process, args);
    case nr_faccessat:
        return sys_faccessat(process, args);
    case nr_dup:
        return sys_dup(process, args);
    case nr_dup3:
        return sys_dup3(process, args);
    case nr_fcntl:
        return sys_fcntl(process, args);
    case nr_ioctl:
        return sys_ioctl(process, args);
    case nr_readlinkat:
        return sys_readlinkat(process, args);
    case nr_getcwd:
        return sys_getcwd(process, args);
    case nr_brk:
        return sys_brk(process, args);
    case nr_mmap:
        return sys_mmap(process, args);
    case nr_munmap:
        return sys_munmap(process, args);
    case nr_mprotect:
        return sys_mprotect(process, args);
    default:
        return unknown_call(number);
    }
}

std::int64_t linux_call(Process& process, std::uint64_t number, Arguments args) {
    switch (number) {
    case nr_exit:
    case nr_exit_group:
        return sys_exit(process, args);
    case nr_clock_gettime:
        return sys_clock_gettime(process, args);
    case nr_clock_getres:
        return sys_clock_getres(process, args);
    case nr_gettimeofday:
        return sys_gettimeofday(process, args);
    case nr_nanosleep:
        return sys_nanosleep(process, args);
    case nr_clock_nanosleep:
        return sys_clock_nanosleep(process, args);
    case nr_uname:
        return sys_uname(process, args);
    case nr_sysinfo:
        return sys_sysinfo(process, args);
    case nr_getrandom:
        return sys_getrandom(process, args);
    case nr_prlimit64:
        return sys_prlimit(process, args);
    case nr_kill:
    case nr_tkill:
        return sys_kill(process, static_cast<std::int64_t>(args[0]), args[1]);
    case nr_tgkill:
        return sys_kill(process, static_cast<std::int64_t>(args[0]), args[2]);
    case nr_rt_sigaction:
        return sys_sigaction(process, args);
    case nr_rt_sigprocmask:
        return sys_sigprocmask(process, args);
    case nr_futex:
        return sys_futex(process, args);
    case nr_sched_getaffinity:
        return sys_sched_getaffinity(process, args);
    case nr_sched_yield:
        end_turn(process);
        request_reschedule(this_cpu());
        return 0;
    case nr_set_tid_address:
        return process.pid;
    case nr_getpid:
    case nr_gettid:
        return process.pid;
    case nr_getppid:
        return process.parent;
    case nr_riscv_flush_icache:
        csr::fence_instructions();
        return 0;
    case nr_getuid:
    case nr_geteuid:
    case nr_getgid:
    case nr_getegid:
    case nr_set_robust_list:
    case nr_sigaltstack:
    case nr_madvise:  // advice
        return 0;
    default:
        return file_call(process, number, args);
    }
}

}  // namespace

std::uint32_t call_level(const Process& process) {
    const std::uint32_t level = level_of(process);
    return level < VIRTIO_COPS_LEVELS ? level : VIRTIO_COPS_LEVELS - 1;
}

std::uint64_t kernel_coroutines() {
    return __atomic_load_n(&coroutines, __ATOMIC_RELAXED);
}
void count_coroutine() {
    __atomic_fetch_add(&coroutines, 1u, __ATOMIC_RELAXED);
}

std::int64_t start_blocking(Process& process, Async<void> coroutine) {
    if (!coroutine.valid()) {
        return negative(Errno::no_memory);
    }
    const std::uint32_t level = call_level(process);
    // Blocked first: the coroutine may end on another hart before spawn() returns.
    block(process);
    if (spawn(std::move(coroutine), level) == 0) {
        make_runnable(process);
        return negative(Errno::no_memory);
    }
    count_coroutine();
    return kLater;
}

void system_call(Process& process) {
    TrapFrame& frame = process.frame;
    const std::uint64_t number = frame.reg(17);
    const std::uint64_t args[6] = {
        frame.argument(0),
        frame.argument(1),
        frame.argument(2),
        frame.argument(3),
        frame.argument(4),
        frame.argument(5),
    };
    const std::int64_t result = number >= COPS_SYS_ATTACH ? cops_call(process, number, args)
                                                          : linux_call(process, number, args);
    if (result != kLater) {
        frame.argument(0) = static_cast<std::uint64_t>(result);
    }
}

}  // namespace kernel
