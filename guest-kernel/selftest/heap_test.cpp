// SPDX-License-Identifier: Apache-2.0
#include "mm/heap.hpp"
#include "selftest/frame_chain.hpp"
#include "selftest/selftest.hpp"

namespace kernel::selftest {

namespace {

constexpr std::size_t kSizes[] = {0, 1, 16, 17, 100, 1024, 2048, 2049, 4096, 5000, 70'000, 4 << 20};

bool is_filled(const std::byte* memory, std::size_t bytes, std::byte with) {
    for (std::size_t i = 0; i < bytes; ++i) {
        if (memory[i] != with) {
            return false;
        }
    }
    return true;
}

void pieces_are_apart_and_aligned(Outcome& outcome) {
    std::byte* pieces[std::size(kSizes)] = {};
    for (std::size_t i = 0; i < std::size(kSizes); ++i) {
        pieces[i] = static_cast<std::byte*>(heap::allocate(kSizes[i]));
        if (outcome.holds(pieces[i] != nullptr, "memory of each size")) {
            const std::size_t alignment = kSizes[i] > kPageSize / 2 ? kPageSize : 16;
            outcome.equal(reinterpret_cast<std::uintptr_t>(pieces[i]) % alignment, 0, "aligned");
            __builtin_memset(pieces[i], static_cast<int>(i + 1), kSizes[i]);
        }
    }
    for (std::size_t i = 0; i < std::size(kSizes); ++i) {
        if (pieces[i] != nullptr) {
            outcome.holds(
                is_filled(pieces[i], kSizes[i], static_cast<std::byte>(i + 1)),
                "nobody else wrote into it"
            );
        }
        heap::free(pieces[i]);
    }
    outcome.holds(heap::allocate((4 << 20) + 1) == nullptr, "above the limit there is nothing");
    outcome.holds(heap::allocate(~std::size_t{0}) == nullptr, "nor at the end of all sizes");
    heap::free(nullptr);
}

void freed_memory_is_used_again(Outcome& outcome) {
    void* const first = heap::allocate(48);
    heap::free(first);
    void* const second = heap::allocate(48);
    outcome.holds(first != nullptr && first == second, "the piece freed last comes first");
    heap::free(second);
    const std::uint64_t before = frames::available();
    void* const block = heap::allocate(10 * kPageSize);
    outcome.equal(frames::available(), before - 16, "a block of the next power of two");
    heap::free(block);
    outcome.equal(frames::available(), before, "goes back whole");
}

struct Large {
    std::byte bytes[3 * kPageSize];
};

void failure_is_null(Outcome& outcome) {
    FrameChain chain;
    chain.take_all(0);
    outcome.holds(heap::allocate(kPageSize) == nullptr, "no block");
    outcome.holds(heap::make<Large>() == nullptr, "no object");
    chain.give_back();
    void* const block = heap::allocate(kPageSize);
    outcome.holds(block != nullptr, "a block, when there is memory again");
    heap::free(block);
}

constexpr Test kTests[] = {
    {"heap.pieces_are_apart_and_aligned", &pieces_are_apart_and_aligned},
    {"heap.freed_memory_is_used_again", &freed_memory_is_used_again},
    {"heap.failure_is_null", &failure_is_null},
};

}  // namespace

std::span<const Test> heap_tests() {
    return kTests;
}

}  // namespace kernel::selftest
