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
    nr_getdents64 = 61,
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
    nr_clone = 220,
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
std::int64_t file_call(Thread& thread, std::uint64_t number, Arguments args) {
    switch (number) {
    case nr_read:
        return sys_read(thread, args);
    case nr_write:
        return sys_write(thread, args);
    case nr_readv:
        return sys_readv(thread, args);
    case nr_writev:
        return sys_writev(thread, args);
    case nr_pread64:
        return sys_pread(thread, args);
    case nr_pwrite64:
        return sys_pwrite(thread, args);
    case nr_openat:
        return sys_openat(thread, args);
    case nr_close:
        return sys_close(thread.process, args);
    case nr_lseek:
        return sys_lseek(thread, args);
    case nr_fstat:
        return sys_fstat(thread, args);
    case nr_newfstatat:
        return sys_fstatat(thread, args);
    case nr_fsync:
    case nr_fdatasync:
        return sys_fsync(thread, args);
    case nr_faccessat:
        return sys_faccessat(thread, args);
    case nr_dup:
        return sys_dup(thread.process, args);
    case nr_dup3:
        return sys_dup3(thread.process, args);
    case nr_fcntl:
        return sys_fcntl(thread.process, args);
    case nr_ioctl:
        return sys_ioctl(thread.process, args);
    case nr_getdents64:
        return sys_getdents(thread, args);
    case nr_readlinkat:
        return sys_readlinkat(thread, args);
    case nr_getcwd:
        return sys_getcwd(thread.process, args);
    case nr_brk:
        return sys_brk(thread.process, args);
    case nr_mmap:
        return sys_mmap(thread.process, args);
    case nr_munmap:
        return sys_munmap(thread.process, args);
    case nr_mprotect:
        return sys_mprotect(thread.process, args);
    default:
        return unknown_call(number);
    }
}

std::int64_t linux_call(Thread& thread, std::uint64_t number, Arguments args) {
    switch (number) {
    case nr_exit:
        return sys_exit(thread, args);
    case nr_exit_group:
        return sys_exit_group(thread, args);
    case nr_clone:
        return sys_clone(thread, args);
    case nr_clock_gettime:
        return sys_clock_gettime(thread.process, args);
    case nr_clock_getres:
        return sys_clock_getres(thread.process, args);
    case nr_gettimeofday:
        return sys_gettimeofday(thread.process, args);
    case nr_nanosleep:
        return sys_nanosleep(thread, args);
    case nr_clock_nanosleep:
        return sys_clock_nanosleep(thread, args);
    case nr_uname:
        return sys_uname(thread.process, args);
    case nr_sysinfo:
        return sys_sysinfo(thread.process, args);
    case nr_getrandom:
        return sys_getrandom(thread.process, args);
    case nr_prlimit64:
        return sys_prlimit(thread.process, args);
    case nr_kill:
    case nr_tkill:
        return sys_kill(thread, static_cast<std::int64_t>(args[0]), args[1]);
    case nr_tgkill:
        return sys_kill(thread, static_cast<std::int64_t>(args[0]), args[2]);
    case nr_rt_sigaction:
        return sys_sigaction(thread.process, args);
    case nr_rt_sigprocmask:
        return sys_sigprocmask(thread.process, args);
    case nr_futex:
        return sys_futex(thread, args);
    case nr_sched_getaffinity:
        return sys_sched_getaffinity(thread.process, args);
    case nr_sched_yield:
        end_turn(thread);
        request_reschedule(this_cpu());
        return 0;
    case nr_set_tid_address:
        return sys_set_tid_address(thread, args);
    case nr_getpid:
        return thread.process.pid;
    case nr_gettid:
        return thread.tid;
    case nr_getppid:
        return thread.process.parent;
    case nr_riscv_flush_icache:
        return sys_flush_instructions(thread.process, args);
    case nr_getuid:
    case nr_geteuid:
    case nr_getgid:
    case nr_getegid:
    case nr_set_robust_list:
    case nr_sigaltstack:
    case nr_madvise:  // advice
        return 0;
    default:
        return file_call(thread, number, args);
    }
}

}  // namespace

std::uint32_t call_level(const Thread& thread) {
    const std::uint32_t level = level_of(thread);
    return level < VIRTIO_COPS_LEVELS ? level : VIRTIO_COPS_LEVELS - 1;
}

std::uint64_t kernel_coroutines() {
    return __atomic_load_n(&coroutines, __ATOMIC_RELAXED);
}
void count_coroutine() {
    __atomic_fetch_add(&coroutines, 1u, __ATOMIC_RELAXED);
}

std::int64_t start_blocking(Thread& thread, Async<void> coroutine) {
    if (!coroutine.valid()) {
        return negative(Errno::no_memory);
    }
    const std::uint32_t level = call_level(thread);
    // Blocked first: the coroutine may end on another hart before spawn() returns.
    block(thread);
    kick_another(thread);
    __atomic_fetch_add(&thread.process.promised, 1u, __ATOMIC_RELAXED);
    if (spawn(std::move(coroutine), level) == 0) {
        __atomic_fetch_sub(&thread.process.promised, 1u, __ATOMIC_RELAXED);
        make_runnable(thread);
        return negative(Errno::no_memory);
    }
    count_coroutine();
    return kLater;
}

void system_call(Thread& thread) {
    TrapFrame& frame = thread.frame;
    const std::uint64_t number = frame.reg(17);
    const std::uint64_t args[6] = {
        frame.argument(0),
        frame.argument(1),
        frame.argument(2),
        frame.argument(3),
        frame.argument(4),
        frame.argument(5),
    };
    const std::int64_t result = number >= COPS_SYS_ATTACH ? cops_call(thread, number, args)
                                                          : linux_call(thread, number, args);
    if (result != kLater) {
        frame.argument(0) = static_cast<std::uint64_t>(result);
    }
}

}  // namespace kernel
