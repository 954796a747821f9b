// SPDX-License-Identifier: Apache-2.0
#include "io/ring_setup.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace vmm::io {
namespace {

unsigned setup_flags(RingMode mode) {
    switch (mode) {
    case RingMode::deferred:
        return IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    case RingMode::cooperative:
        return IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    case RingMode::plain:
        break;
    }
    return 0;
}

/// Value of kernel.io_uring_disabled, or -1 where the kernel has no such setting.
int disabled_setting() {
    std::FILE* file = std::fopen("/proc/sys/kernel/io_uring_disabled", "re");
    if (file == nullptr) {
        return -1;
    }
    int value = -1;
    if (std::fscanf(file, "%d", &value) != 1) {
        value = -1;
    }
    std::fclose(file);
    return value;
}

}  // namespace

Error describe_setup_error(int error) {
    std::string why = std::strerror(error);
    if (error == EPERM) {
        const int disabled = disabled_setting();
        why += disabled > 0
                   ? fmt::format(
                         ": the setting kernel.io_uring_disabled is {}; allow it with "
                         "`sysctl kernel.io_uring_disabled=0`",
                         disabled
                     )
                   : ": a seccomp filter or security module forbids it (containers do by default; "
                     "allow the io_uring_setup, io_uring_enter and io_uring_register calls)";
    } else if (error == ENOSYS) {
        why += ": the kernel has no io_uring, or a seccomp filter hides it";
    } else if (error == ENOMEM) {
        why += ": raise the limit on locked memory (`ulimit -l`)";
    }
    return {ErrorKind::unavailable, "io_uring is not available: " + why};
}

Result<RingMode>
set_up_ring(io_uring& ring, unsigned entries, unsigned completions, RingMode best) {
    constexpr std::array kModes{RingMode::deferred, RingMode::cooperative, RingMode::plain};
    int error = EINVAL;
    for (const RingMode mode : kModes) {
        if (mode < best) {
            continue;
        }
        io_uring_params params{};
        params.flags = setup_flags(mode) | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        params.cq_entries = completions;
        error = -io_uring_queue_init_params(entries, &ring, &params);
        if (error == 0) {
            return mode;
        }
        if (error != EINVAL) {
            break;  // not a flag that this kernel doesn't know
        }
    }
    return std::unexpected(describe_setup_error(error));
}

}  // namespace vmm::io
