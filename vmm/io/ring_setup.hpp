// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>

#include <liburing.h>

namespace vmm::io {

/// How a running vCPU learns that completions wait, best first. Kernels from 6.1 on have the first.
enum class RingMode : unsigned char {
    /// SINGLE_ISSUER | DEFER_TASKRUN | TASKRUN_FLAG: the flags word always says so.
    deferred,
    /// COOP_TASKRUN | TASKRUN_FLAG (5.19): the flags word says so, but for completions that the
    /// kernel posted while it interrupted the thread anyway; those wait for the end of the slice.
    cooperative,
    /// The kernel interrupts the thread; seen when the vCPU next leaves its engine.
    plain,
};

/// Sets `ring` up in the best mode that the kernel has, from `best` down. To be called by the
/// thread that will use the ring. Fails with ErrorKind::unavailable, naming the setting that
/// forbids it.
Result<RingMode> set_up_ring(io_uring& ring, unsigned entries, unsigned completions, RingMode best);

/// The sentence for an io_uring_setup() that failed with errno `error`.
Error describe_setup_error(int error);

}  // namespace vmm::io
