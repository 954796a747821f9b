// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/interrupt_controller.hpp"
#include "devices/mmio_device.hpp"

#include <vmm/error.hpp>

#include <cstdint>
#include <mutex>
#include <vector>

namespace vmm {

class StateReader;
class StateWriter;

/// What the PLIC drives: the external interrupt of each hart's S-mode.
class ExternalInterruptSink {
public:
    /// Called with the PLIC locked, so that two changes of one hart arrive in order; must not call
    /// back.
    virtual void set_external_interrupt(unsigned hart, bool asserted) = 0;

protected:
    ~ExternalInterruptSink() = default;
};

/// Platform-level interrupt controller (RISC-V PLIC specification 1.0.0) with level-sensitive
/// sources 1..31. Context 2h+1 is S-mode of hart h; contexts 2h (M-mode) exist and lead nowhere.
class Plic final : public MmioDevice, public InterruptController {
public:
    static constexpr std::uint64_t kSize = 0x600000;
    static constexpr unsigned kSources = 32;  ///< Source 0 means "none".
    static constexpr std::uint32_t kMaxPriority = 7;

    Plic(unsigned harts, ExternalInterruptSink& sink);

    void set_level(unsigned source, bool asserted) override;

    /// Tells the sink again how every hart's interrupt stands.
    void repeat_lines();

    bool mmio_read(const MmioAccess& access, std::uint64_t* value) override;
    bool mmio_write(const MmioAccess& access, std::uint64_t value) override;

    /// While no vCPU runs. Registers as after power-on; the input lines stay as they are.
    void reset();
    void save(StateWriter& out) const;
    /// Sets registers and input lines, and drives every hart's line accordingly.
    Result<void> load(StateReader& in);

private:
    struct Context {
        std::uint32_t enabled = 0;  // bit s: source s
        std::uint32_t threshold = 0;
        bool asserted = false;  // what the sink was told last
    };

    std::uint32_t read_register(std::uint64_t offset);
    void write_register(std::uint64_t offset, std::uint32_t value);
    unsigned best_source(const Context& context) const;
    std::uint32_t claim(Context& context);
    void complete(Context& context, std::uint32_t source);
    void update();
    Context* context(std::uint64_t index);

    ExternalInterruptSink& sink_;
    mutable std::mutex mutex_;  // guards all below
    std::vector<Context> contexts_;
    std::uint32_t priority_[kSources]{};
    std::uint32_t levels_ = 0;      // input lines
    std::uint32_t in_service_ = 0;  // claimed and not yet completed: the gateway passes nothing on
};

}  // namespace vmm
