// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace vmm::sched {

/// A bounded queue from any number of threads to one, in the order of the pushes. Nobody waits: a
/// push finds no room, a pop finds nothing. Each place has a number that says whose
/// turn it is (D. Vyukov's bounded queue).
template <class T>
class RecordQueue {
public:
    /// `places`: a power of two.
    explicit RecordQueue(std::size_t places)
        : mask_(places - 1)
        , places_(places) {
        for (std::size_t i = 0; i < places; ++i) {
            places_[i].turn.store(i, std::memory_order_relaxed);
        }
    }

    /// Any thread. False: there is no room.
    bool push(const T& value) noexcept {
        std::uint64_t at = tail_.load(std::memory_order_relaxed);
        for (;;) {
            Place& place = places_[at & mask_];
            // Acquire: pairs with the release of the pop that made the place free.
            const std::uint64_t turn = place.turn.load(std::memory_order_acquire);
            if (turn == at) {
                if (tail_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) {
                    place.value = value;
                    // Release: the value is there for the pop that sees this turn.
                    place.turn.store(at + 1, std::memory_order_release);
                    return true;
                }
            } else if (turn < at) {
                return false;
            } else {
                at = tail_.load(std::memory_order_relaxed);
            }
        }
    }

    /// One thread.
    std::optional<T> pop() noexcept {
        Place& place = places_[head_ & mask_];
        if (place.turn.load(std::memory_order_acquire) != head_ + 1) {
            return std::nullopt;
        }
        const T value = place.value;
        place.turn.store(head_ + mask_ + 1, std::memory_order_release);
        ++head_;
        return value;
    }

private:
    struct Place {
        std::atomic<std::uint64_t> turn{0};
        T value{};
    };

    const std::uint64_t mask_;
    std::vector<Place> places_;
    alignas(64) std::atomic<std::uint64_t> tail_{0};  // number of the next push
    alignas(64) std::uint64_t head_ = 0;  // number of the next pop; of the popping thread
};

}  // namespace vmm::sched
