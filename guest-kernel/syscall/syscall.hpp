// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exec/coroutine.hpp"
#include "fs/file.hpp"
#include "proc/process.hpp"

#include <cstdint>
#include <limits>

namespace kernel {

/// The system call that the process has just trapped with. It has completed, or the process is
/// blocked, or it has ended.
void system_call(Process& process);

/// A handler's answer when the process waits for a kernel coroutine (or is no more): a0 is not
/// touched. Never a result of a call.
inline constexpr std::int64_t kLater = std::numeric_limits<std::int64_t>::min();
/// What could be done without waiting is nothing: a coroutine has to do it.
inline constexpr std::int64_t kWouldWait = kLater + 1;

/// Blocks the process on `coroutine`, which ends by finish_call(); its level is the process's own.
std::int64_t start_blocking(Process& process, Async<void> coroutine);
/// Level of the process's system calls.
std::uint32_t call_level(const Process& process);

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
std::int64_t cops_call(Process& process, std::uint64_t number, Arguments args);
std::int64_t submit(Process& process, UserAddr list, std::uint64_t count);
std::int64_t cancel_submission(Process& process, std::uint32_t slot, std::uint32_t generation);

// files.cpp
std::int64_t sys_read(Process& process, Arguments args);
std::int64_t sys_write(Process& process, Arguments args);
std::int64_t sys_pread(Process& process, Arguments args);
std::int64_t sys_pwrite(Process& process, Arguments args);
std::int64_t sys_readv(Process& process, Arguments args);
std::int64_t sys_writev(Process& process, Arguments args);
std::int64_t sys_openat(Process& process, Arguments args);
std::int64_t sys_close(Process& process, Arguments args);
std::int64_t sys_lseek(Process& process, Arguments args);
std::int64_t sys_fstat(Process& process, Arguments args);
std::int64_t sys_fstatat(Process& process, Arguments args);
std::int64_t sys_fsync(Process& process, Arguments args);
std::int64_t sys_faccessat(Process& process, Arguments args);
std::int64_t sys_dup(Process& process, Arguments args);
std::int64_t sys_dup3(Process& process, Arguments args);
std::int64_t sys_fcntl(Process& process, Arguments args);
std::int64_t sys_ioctl(Process& process, Arguments args);
std::int64_t sys_readlinkat(Process& process, Arguments args);
std::int64_t sys_getcwd(Process& process, Arguments args);

// memory.cpp
std::int64_t sys_brk(Process& process, Arguments args);
std::int64_t sys_mmap(Process& process, Arguments args);
std::int64_t sys_munmap(Process& process, Arguments args);
std::int64_t sys_mprotect(Process& process, Arguments args);

// misc.cpp
std::int64_t sys_exit(Process& process, Arguments args);
std::int64_t sys_clock_gettime(Process& process, Arguments args);
std::int64_t sys_clock_getres(Process& process, Arguments args);
std::int64_t sys_gettimeofday(Process& process, Arguments args);
std::int64_t sys_nanosleep(Process& process, Arguments args);
std::int64_t sys_clock_nanosleep(Process& process, Arguments args);
std::int64_t sys_uname(Process& process, Arguments args);
std::int64_t sys_sysinfo(Process& process, Arguments args);
std::int64_t sys_getrandom(Process& process, Arguments args);
std::int64_t sys_prlimit(Process& process, Arguments args);
std::int64_t sys_kill(Process& process, std::int64_t target, std::uint64_t signal);
std::int64_t sys_sigaction(Process& process, Arguments args);
std::int64_t sys_sigprocmask(Process& process, Arguments args);
std::int64_t sys_futex(Process& process, Arguments args);
std::int64_t sys_sched_getaffinity(Process& process, Arguments args);

}  // namespace kernel
