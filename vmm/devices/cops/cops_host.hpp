// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/ports.hpp"

#include <vmm/types.hpp>

#include <cstdint>

namespace vmm {

/// What the virtio-cops device needs of the process around it: I/O, the scheduler, a clock. Calls
/// marked "locked" are made with the device's lock held and must neither wait nor call the device;
/// io_completed paths come back through CopsDevice::complete() later.
class CopsHost {
public:
    /// Locked. As virtio_cops::Host.
    virtual void start(const virtio_cops::IoOperation& operation) = 0;
    virtual void cancel(std::uint64_t token) = 0;
    virtual void close(virtio_cops::HostHandle handle) = 0;
    virtual virtio_cops::HostHandle reopen(const virtio_cops::OpenDescription& description) = 0;

    /// Not locked. Operations may have been started since the last call: submit them.
    virtual void submit() = 0;

    /// Locked. Runs the vCPU if it is idle, at `level`.
    virtual void wake(unsigned vcpu, Level level) = 0;
    /// Locked. A running vCPU leaves the guest soon and looks at its mailbox.
    virtual void kick(unsigned vcpu) = 0;
    /// Locked. Around the transport's interrupt: a vCPU that it wakes is runnable at `level`
    /// (kNoLevel: at its irq_level).
    virtual void begin_interrupt(Level level) = 0;
    virtual void end_interrupt() = 0;
    /// Locked. The reset has ended.
    virtual void reset_done() = 0;
    /// Locked. The driver broke the protocol.
    virtual void needs_reset(const char* why) = 0;

    /// Locked. As virtio_cops::Host.
    virtual void want_vcpus(unsigned /*vcpus*/) {}
    virtual virtio_cops::Cores cores() { return {}; }

    /// Not locked, thread inside run() of `vcpu`: the guest rang the doorbells.
    virtual void claim_doorbell(unsigned vcpu) = 0;
    virtual void yield_doorbell(unsigned vcpu) = 0;
    /// `hart`, unchecked, is whom the vCPU waits for; VIRTIO_COPS_SPIN_ANY: some other vCPU.
    virtual void spin_doorbell(unsigned vcpu, std::uint32_t hart) = 0;

    /// Monotonic nanoseconds.
    virtual Nanos now() = 0;

protected:
    ~CopsHost() = default;
};

}  // namespace vmm
