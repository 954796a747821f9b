// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mm/frames.hpp"

namespace kernel::selftest {

/// Frames taken away, chained through themselves: makes memory short and gives it back.
class FrameChain : NoCopy {
public:
    ~FrameChain() { give_back(); }

    /// Every block of an order that can be had; how many.
    std::uint64_t take_all(unsigned order) {
        std::uint64_t count = 0;
        for (; add(frames::allocate(order)); ++count) {
        }
        return count;
    }
    std::uint64_t take_all_for_user() {
        std::uint64_t count = 0;
        for (; add(frames::allocate_for_user()); ++count) {
        }
        return count;
    }
    void give_back() {
        while (first_ != 0) {
            const PhysAddr frame = first_;
            first_ = *direct<PhysAddr>(frame);
            frames::release(frame);
        }
    }

private:
    bool add(PhysAddr frame) {
        if (frame == 0) {
            return false;
        }
        *direct<PhysAddr>(frame) = first_;
        first_ = frame;
        return true;
    }

    PhysAddr first_ = 0;
};

}  // namespace kernel::selftest
