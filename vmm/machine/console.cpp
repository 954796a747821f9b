// SPDX-License-Identifier: Apache-2.0
#include "machine/console.hpp"

namespace vmm {

void Console::write(std::span<const char> bytes) {
    const std::lock_guard lock(mutex_);
    for (const char byte : bytes) {
        pending_.push_back(byte);
        if (byte == '\n' || pending_.size() >= kBuffer) {
            emit();
        }
    }
}

void Console::flush() {
    const std::lock_guard lock(mutex_);
    emit();
}

void Console::emit() {
    if (!pending_.empty() && output_) {
        output_(pending_);
    }
    pending_.clear();
}

}  // namespace vmm
