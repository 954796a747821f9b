// SPDX-License-Identifier: Apache-2.0
// Time, identity, signals to oneself, the rest.
#include "arch/riscv64/csr.hpp"
#include "base/random.hpp"
#include "exec/timer.hpp"
#include "mm/frames.hpp"
#include "mm/user_memory.hpp"
#include "proc/schedule.hpp"
#include "syscall/io.hpp"

#include <algorithm>
#include <bit>

namespace kernel {

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kClocks = 8;
constexpr std::uint64_t kAbsolute = 1;  // TIMER_ABSTIME
constexpr std::uint64_t kSignals = 64;
constexpr std::uint64_t kSignalSetBytes = 8;
constexpr std::uint64_t kMaxRandom = 1 << 20;

constinit bool stats = false;
constinit std::uint64_t boot_time = 0;

struct Names {
    char system[65];
    char node[65];
    char release[65];
    char version[65];
    char machine[65];
    char domain[65];
};

/// struct sysinfo of 64-bit Linux.
struct SystemInfo {
    std::int64_t uptime;
    std::uint64_t loads[3];
    std::uint64_t total_ram;
    std::uint64_t free_ram;
    std::uint64_t shared_ram;
    std::uint64_t buffer_ram;
    std::uint64_t total_swap;
    std::uint64_t free_swap;
    std::uint16_t processes;
    std::uint16_t pad[3];
    std::uint64_t total_high;
    std::uint64_t free_high;
    std::uint32_t unit;
    std::uint32_t pad2;
};
static_assert(sizeof(SystemInfo) == 112);

Async<void> blocking_sleep(Thread* thread, std::uint64_t deadline) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    Async<std::int64_t> work = sleep_until(operation, deadline);
    finish_call(*thread, work.valid() ? co_await work : negative(Errno::no_memory));
}

std::int64_t sleep_for(Thread& thread, std::uint64_t nanoseconds) {
    return start_blocking(
        thread, blocking_sleep(&thread, csr::now() + timer::from_nanoseconds(nanoseconds))
    );
}

void set_text(char (&field)[65], const char* text) {
    for (std::size_t i = 0; i < sizeof field - 1 && text[i] != 0; ++i) {
        field[i] = text[i];
    }
}

}  // namespace

std::uint64_t clock_now(std::uint64_t clock) {
    constexpr std::uint64_t kRealtimeCoarse = 5;
    const std::uint64_t since_boot = timer::to_nanoseconds(csr::now());
    return clock == kRealtime || clock == kRealtimeCoarse ? boot_time + since_boot : since_boot;
}

bool is_valid(const Time& time) {
    return time.seconds >= 0 && time.nanoseconds >= 0
           && time.nanoseconds < static_cast<std::int64_t>(kSecond);
}

std::uint64_t in_nanoseconds(const Time& time) {
    constexpr std::int64_t kLongest = 1LL << 33;  // seconds: 272 years
    return static_cast<std::uint64_t>(std::min(time.seconds, kLongest)) * kSecond
           + static_cast<std::uint64_t>(time.nanoseconds);
}

void want_stats(bool wanted) {
    stats = wanted;
}
bool stats_wanted() {
    return stats;
}
void set_boot_time(std::uint64_t nanoseconds) {
    boot_time = nanoseconds;
}

std::int64_t sys_clock_gettime(Process& process, Arguments args) {
    if (args[0] >= kClocks) {
        return negative(Errno::invalid);
    }
    const std::uint64_t now = clock_now(args[0]);
    const Time time{
        static_cast<std::int64_t>(now / kSecond), static_cast<std::int64_t>(now % kSecond)
    };
    return copy_out(process.space, args[1], time) ? 0 : negative(Errno::fault);
}

std::int64_t sys_clock_getres(Process& process, Arguments args) {
    if (args[0] >= kClocks) {
        return negative(Errno::invalid);
    }
    const Time time{0, 1};
    return args[1] == 0 || copy_out(process.space, args[1], time) ? 0 : negative(Errno::fault);
}

std::int64_t sys_gettimeofday(Process& process, Arguments args) {
    const std::uint64_t now = clock_now(kRealtime);
    const Time time{
        static_cast<std::int64_t>(now / kSecond), static_cast<std::int64_t>(now % kSecond / 1000)
    };
    return args[0] == 0 || copy_out(process.space, args[0], time) ? 0 : negative(Errno::fault);
}

std::int64_t sys_nanosleep(Thread& thread, Arguments args) {
    Process& process = thread.process;
    Time time{};
    if (!copy_in(process.space, time, args[0])) {
        return negative(Errno::fault);
    }
    return is_valid(time) ? sleep_for(thread, in_nanoseconds(time)) : negative(Errno::invalid);
}

std::int64_t sys_clock_nanosleep(Thread& thread, Arguments args) {
    Process& process = thread.process;
    Time time{};
    if (args[0] >= kClocks || !copy_in(process.space, time, args[2])) {
        return negative(args[0] >= kClocks ? Errno::invalid : Errno::fault);
    }
    if (!is_valid(time)) {
        return negative(Errno::invalid);
    }
    std::uint64_t wait = in_nanoseconds(time);
    if ((args[1] & kAbsolute) != 0) {
        const std::uint64_t now = clock_now(args[0]);
        wait = wait > now ? wait - now : 0;
    }
    return sleep_for(thread, wait);
}

std::int64_t sys_uname(Process& process, Arguments args) {
    Names names{};
    set_text(names.system, "Linux");  // the interface that it is, as far as it goes
    set_text(names.node, "cops");
    set_text(names.release, "6.1.0-cops");
    set_text(names.version, "COPS kernel " COPS_VERSION);
    set_text(names.machine, "riscv64");
    return copy_out(process.space, args[0], names) ? 0 : negative(Errno::fault);
}

std::int64_t sys_sysinfo(Process& process, Arguments args) {
    SystemInfo info{};
    info.uptime = static_cast<std::int64_t>(clock_now(kMonotonic) / kSecond);
    info.total_ram = frames::total();
    info.free_ram = frames::available();
    info.processes = 1;
    info.unit = kPageSize;
    return copy_out(process.space, args[0], info) ? 0 : negative(Errno::fault);
}

std::int64_t sys_getrandom(Process& process, Arguments args) {
    const std::uint64_t wanted = std::min(args[1], kMaxRandom);
    std::byte chunk[256];
    for (std::uint64_t done = 0; done < wanted;) {
        const std::size_t part = std::min<std::uint64_t>(wanted - done, sizeof chunk);
        random::fill(std::span(chunk, part));
        if (!process.space.write(args[0] + done, chunk, part)) {
            return done != 0 ? static_cast<std::int64_t>(done) : negative(Errno::fault);
        }
        done += part;
    }
    return static_cast<std::int64_t>(wanted);
}

std::int64_t sys_prlimit(Process& process, Arguments args) {
    constexpr std::uint64_t kStack = 3;
    constexpr std::uint64_t kFiles = 7;
    constexpr std::uint64_t kLimits = 16;
    if (args[1] >= kLimits) {
        return negative(Errno::invalid);
    }
    if (args[2] != 0) {
        return negative(Errno::not_permitted);
    }
    std::uint64_t limit = ~std::uint64_t{0};
    limit = args[1] == kStack ? 8 << 20 : args[1] == kFiles ? FileTable::kMax : limit;
    const std::uint64_t pair[2] = {limit, limit};
    return args[3] == 0 || copy_out(process.space, args[3], pair) ? 0 : negative(Errno::fault);
}

// Only to oneself, and only to end: handlers are not called.
std::int64_t sys_kill(Thread& thread, std::int64_t target, std::uint64_t signal) {
    if (target != thread.process.pid && target != thread.tid && target != 0) {
        return negative(Errno::no_process);
    }
    if (signal > kSignals) {
        return negative(Errno::invalid);
    }
    if (signal == 0) {
        return 0;
    }
    exit_process(thread, 128 + static_cast<std::uint32_t>(signal));
    return kLater;
}

std::int64_t sys_sigaction(Process& process, Arguments args) {
    constexpr std::byte kDefault[24] = {};  // struct sigaction: SIG_DFL
    if (args[0] == 0 || args[0] > kSignals || args[3] != kSignalSetBytes) {
        return negative(Errno::invalid);
    }
    return args[2] == 0 || copy_out(process.space, args[2], kDefault) ? 0 : negative(Errno::fault);
}

std::int64_t sys_sigprocmask(Process& process, Arguments args) {
    const std::uint64_t none = 0;
    if (args[3] != kSignalSetBytes) {
        return negative(Errno::invalid);
    }
    return args[2] == 0 || copy_out(process.space, args[2], none) ? 0 : negative(Errno::fault);
}

}  // namespace kernel
