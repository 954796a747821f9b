// SPDX-License-Identifier: Apache-2.0
#include "sched/workers/host_thread.hpp"

#include <fmt/format.h>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace vmm::sched {
namespace {

/// A set of CPUs as the C library has them, for CPU numbers below `cpus`.
class CpuSet {
public:
    explicit CpuSet(std::size_t cpus)
        : bytes_(CPU_ALLOC_SIZE(cpus))
        , set_(CPU_ALLOC(cpus)) {
        CPU_ZERO_S(bytes_, set_.get());
    }
    void add(unsigned cpu) { CPU_SET_S(cpu, bytes_, set_.get()); }
    bool has(unsigned cpu) const { return CPU_ISSET_S(cpu, bytes_, set_.get()); }
    std::size_t bytes() const { return bytes_; }
    cpu_set_t* get() const { return set_.get(); }

private:
    struct Free {
        void operator()(cpu_set_t* set) const { CPU_FREE(set); }
    };
    std::size_t bytes_;
    std::unique_ptr<cpu_set_t, Free> set_;
};

std::string limit_text(int resource) {
    ::rlimit limit{};
    ::getrlimit(resource, &limit);
    return limit.rlim_cur == RLIM_INFINITY ? "unlimited" : fmt::format("{}", limit.rlim_cur);
}

Result<void> set_cpus(const HostThread& thread) {
    const unsigned last = *std::ranges::max_element(thread.cpus);
    CpuSet set(last + 1);
    for (const unsigned cpu : thread.cpus) {
        set.add(cpu);
    }
    if (::sched_setaffinity(0, set.bytes(), set.get()) != 0) {
        return fail(
            ErrorKind::unavailable,
            fmt::format(
                "thread {} cannot be kept to CPU {}: {}; the process may use {}",
                thread.name,
                fmt::join(thread.cpus, ","),
                std::strerror(errno),
                cpu_list_text(allowed_cpus())
            )
        );
    }
    return {};
}

Result<void> set_nice(const HostThread& thread) {
    const int nice = *thread.nice;
    if (::setpriority(PRIO_PROCESS, 0, nice) != 0) {
        return fail(
            ErrorKind::unavailable,
            fmt::format(
                "thread {} cannot have nice {}: {}; the process needs CAP_SYS_NICE, or RLIMIT_NICE "
                "(ulimit -e) of {} or more, which is {}",
                thread.name,
                nice,
                std::strerror(errno),
                20 - nice,
                limit_text(RLIMIT_NICE)
            )
        );
    }
    return {};
}

Result<void> set_fifo(const HostThread& thread) {
    const sched_param parameters{.sched_priority = *thread.fifo};
    if (::sched_setscheduler(0, SCHED_FIFO, &parameters) != 0) {
        return fail(
            ErrorKind::unavailable,
            fmt::format(
                "thread {} cannot have SCHED_FIFO priority {}: {}; the process needs CAP_SYS_NICE, "
                "or RLIMIT_RTPRIO (ulimit -r) of {} or more, which is {}",
                thread.name,
                *thread.fifo,
                std::strerror(errno),
                *thread.fifo,
                limit_text(RLIMIT_RTPRIO)
            )
        );
    }
    return {};
}

}  // namespace

Result<void> apply_to_this_thread(const HostThread& thread) {
    ::pthread_setname_np(::pthread_self(), thread.name.substr(0, 15).c_str());
    Result<void> done;
    if (!thread.cpus.empty()) {
        done = set_cpus(thread);
    }
    if (done && thread.nice) {
        done = set_nice(thread);
    }
    if (done && thread.fifo) {
        done = set_fifo(thread);
    }
    return done;
}

std::vector<unsigned> allowed_cpus() {
    // EINVAL: the host's kernel has room for more CPUs than the set.
    for (unsigned most = CPU_SETSIZE;; most *= 2) {
        const CpuSet set(most);
        if (::sched_getaffinity(0, set.bytes(), set.get()) == 0) {
            std::vector<unsigned> cpus;
            for (unsigned cpu = 0; cpu < most; ++cpu) {
                if (set.has(cpu)) {
                    cpus.push_back(cpu);
                }
            }
            return cpus;
        }
        if (errno != EINVAL || most > CPU_SETSIZE * 1024) {
            return {0};
        }
    }
}

std::string cpu_list_text(std::span<const unsigned> cpus) {
    std::string text;
    for (std::size_t i = 0; i < cpus.size();) {
        std::size_t end = i + 1;
        while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) {
            ++end;
        }
        text += fmt::format("{}{}", text.empty() ? "" : ",", cpus[i]);
        if (end - i > 1) {
            text += fmt::format("-{}", cpus[end - 1]);
        }
        i = end;
    }
    return text;
}

}  // namespace vmm::sched
