// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/ports.hpp"
#include "io/engine.hpp"
#include "io/grants.hpp"
#include "sched/workers/vcpu_scheduler.hpp"

#include <virtio_cops/virtio_cops.h>
#include <vmm/types.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace vmm {

/// Receives what became of a guest's operations.
class OperationSink {
public:
    virtual void complete(std::uint64_t token, std::int64_t result) = 0;
    virtual void complete_stat(std::uint64_t token, const virtio_cops_stat& stat) = 0;

protected:
    ~OperationSink() = default;
};

/// Turns the device's operations into operations of the workers' I/O engines, on files that grants
/// opened. An operation goes to the engine of the worker that it was started on (worker 0 when the
/// thread is no worker) and stays there; in a deterministic run, to the queue of that.
class GuestIo final : private io::CompletionSink {
public:
    GuestIo(
        sched::VcpuScheduler& pool,
        std::uint32_t guest,
        std::vector<io::OpenGrant> grants,
        OperationSink& sink
    );

    /// The worker for operations that are started elsewhere than on a worker; 0 before.
    void set_home_worker(unsigned worker) { home_worker_ = worker; }

    /// Under the device's lock; never completes from inside.
    void start(const virtio_cops::IoOperation& operation);
    void cancel(std::uint64_t token);
    void close(virtio_cops::HostHandle handle);
    virtio_cops::HostHandle reopen(const virtio_cops::OpenDescription& description);

    const std::vector<io::OpenGrant>& grants() const noexcept { return grants_; }

private:
    /// An open file as the guest has it.
    struct Handle {
        std::shared_ptr<io::File> file;
        bool append = false;
    };
    struct Pending {
        unsigned worker = 0;
        bool posted = false;  // started through the worker's tasks: a cancel must queue behind it
        bool append = false;  // open: for the handle
        std::shared_ptr<io::File> grant_file;  // open of a file grant: the handle's file
        std::int64_t refused = 0;  // negative errno: the operation is only a place holder
    };

    void io_completed(const io::Completion& completion) noexcept override;
    io::Operation translate(const virtio_cops::IoOperation& operation, Pending& pending) const;
    void
    translate_open(const virtio_cops::IoOperation& from, io::Operation& to, Pending& pending) const;
    virtio_cops::HostHandle add_handle(Handle handle);

    sched::VcpuScheduler& pool_;
    const std::uint32_t guest_;
    const std::vector<io::OpenGrant> grants_;
    OperationSink& sink_;
    unsigned home_worker_ = 0;  // constant once the fleet runs

    // Innermost: taken under the device's lock or alone, and nothing is called with it held.
    mutable std::mutex mutex_;
    std::unordered_map<std::uint64_t, Pending> pending_;
    std::vector<Handle> handles_;  // by host handle; empty places are reused
    std::vector<std::size_t> free_handles_;
};

}  // namespace vmm
