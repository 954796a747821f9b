// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace vmm {

/// What devices see of the interrupt controller: level-sensitive input lines by source number.
class InterruptController {
public:
    /// Any thread. The caller serialises its own calls for one source.
    virtual void set_level(unsigned source, bool asserted) = 0;

protected:
    ~InterruptController() = default;
};

/// One wire into the interrupt controller, held by the device that drives it.
class IrqLine {
public:
    IrqLine() = default;
    IrqLine(InterruptController& controller, unsigned source)
        : controller_(&controller)
        , source_(source) {}
    void set(bool asserted) const {
        if (controller_ != nullptr) {
            controller_->set_level(source_, asserted);
        }
    }

private:
    InterruptController* controller_ = nullptr;
    unsigned source_ = 0;
};

}  // namespace vmm
