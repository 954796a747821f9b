// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exec/coroutine.hpp"
#include "fs/file.hpp"
#include "proc/process.hpp"

#include <cstdint>
#include <limits>

namespace kernel {

/// The system call that the thread has just trapped with. It has completed, or the thread is
/// blocked, or it has ended.
void system_call(Thread& thread);

/// A handler's answer when the thread waits for a kernel coroutine (or is no more): a0 is not
/// touched. Never a result of a call.
inline constexpr std::int64_t kLater = std::numeric_limits<std::int64_t>::min();
/// What could be done without waiting is nothing: a coroutine has to do it.
inline constexpr std::int64_t kWouldWait = kLater + 1;

/// Blocks the thread on `coroutine`, which ends by finish_call(); its level is the thread's own.
std::int64_t start_blocking(Thread& thread, Async<void> coroutine);
/// Level of the thread's system calls.
std::uint32_t call_level(const Thread& thread);

/// Coroutines made for system calls: those whose data is ready need none.
std::uint64_t kernel_coroutines();
void count_coroutine();

/// A counted reference to a file.
class FileRef {
public:
    explicit FileRef(File* file)
        : file_(file) {}
    FileRef(FileRef&& other) noexcept
        : file_(std::exchange(other.file_, nullptr)) {}
    FileRef& operator=(FileRef&&) = delete;
    FileRef(const FileRef&) = delete;
    FileRef& operator=(const FileRef&) = delete;
    ~FileRef() {
        if (file_ != nullptr) {
            release_file(file_);
        }
    }
    File* operator->() const { return file_; }
    File& operator*() const { return *file_; }
    File* release() { return std::exchange(file_, nullptr); }

private:
    File* file_;
};

// What the command line chooses. Boot only.
void want_stats(bool wanted);
bool stats_wanted();
void set_boot_time(std::uint64_t nanoseconds);  ///< Real time at boot, of the epoch.

using Arguments = const std::uint64_t (&)[6];

/// COPS calls (user_abi.h).
std::int64_t cops_call(Thread& thread, std::uint64_t number, Arguments args);
std::int64_t submit(Process& process, UserAddr list, std::uint64_t count);
std::int64_t cancel_submission(Process& process, std::uint32_t slot, std::uint32_t generation);

// files.cpp
std::int64_t sys_read(Thread& thread, Arguments args);
std::int64_t sys_write(Thread& thread, Arguments args);
std::int64_t sys_pread(Thread& thread, Arguments args);
std::int64_t sys_pwrite(Thread& thread, Arguments args);
std::int64_t sys_readv(Thread& thread, Arguments args);
std::int64_t sys_writev(Thread& thread, Arguments args);
std::int64_t sys_openat(Thread& thread, Arguments args);
std::int64_t sys_close(Process& process, Arguments args);
std::int64_t sys_lseek(Thread& thread, Arguments args);
std::int64_t sys_fstat(Thread& thread, Arguments args);
std::int64_t sys_fstatat(Thread& thread, Arguments args);
std::int64_t sys_fsync(Thread& thread, Arguments args);
std::int64_t sys_faccessat(Thread& thread, Arguments args);
std::int64_t sys_dup(Process& process, Arguments args);
std::int64_t sys_dup3(Process& process, Arguments args);
std::int64_t sys_fcntl(Process& process, Arguments args);
std::int64_t sys_ioctl(Process& process, Arguments args);
std::int64_t sys_getdents(Thread& thread, Arguments args);
std::int64_t sys_readlinkat(Thread& thread, Arguments args);
std::int64_t sys_getcwd(Process& process, Arguments args);

// memory.cpp
std::int64_t sys_brk(Process& process, Arguments args);
std::int64_t sys_mmap(Process& process, Arguments args);
std::int64_t sys_munmap(Process& process, Arguments args);
std::int64_t sys_mprotect(Process& process, Arguments args);

// futex.cpp
std::int64_t sys_futex(Thread& thread, Arguments args);
/// A thread has ended: the word becomes 0, and who waits for that in pthread_join() learns of it.
void tell_joiner(Process& process, UserAddr word);

// threads.cpp
std::int64_t sys_clone(Thread& thread, Arguments args);
std::int64_t sys_exit(Thread& thread, Arguments args);
std::int64_t sys_exit_group(Thread& thread, Arguments args);
std::int64_t sys_set_tid_address(Thread& thread, Arguments args);
std::int64_t sys_sched_getaffinity(Process& process, Arguments args);
std::int64_t sys_flush_instructions(Process& process, Arguments args);

// misc.cpp
std::int64_t sys_clock_gettime(Process& process, Arguments args);
std::int64_t sys_clock_getres(Process& process, Arguments args);
std::int64_t sys_gettimeofday(Process& process, Arguments args);
std::int64_t sys_nanosleep(Thread& thread, Arguments args);
std::int64_t sys_clock_nanosleep(Thread& thread, Arguments args);
std::int64_t sys_uname(Process& process, Arguments args);
std::int64_t sys_sysinfo(Process& process, Arguments args);
std::int64_t sys_getrandom(Process& process, Arguments args);
std::int64_t sys_prlimit(Process& process, Arguments args);
std::int64_t sys_kill(Thread& thread, std::int64_t target, std::uint64_t signal);
std::int64_t sys_sigaction(Process& process, Arguments args);
std::int64_t sys_sigprocmask(Process& process, Arguments args);

}  // namespace kernel
