// SPDX-License-Identifier: Apache-2.0
#include "mm/frames.hpp"
#include "selftest/frame_chain.hpp"
#include "selftest/selftest.hpp"

namespace kernel::selftest {

namespace {

constexpr std::uint64_t frames_in(unsigned order) {
    return std::uint64_t{1} << order;
}

void blocks_are_aligned_and_apart(Outcome& outcome) {
    PhysAddr blocks[frames::kOrders] = {};
    for (unsigned order = 0; order < frames::kOrders; ++order) {
        blocks[order] = frames::allocate(order);
        if (!outcome.holds(blocks[order] != 0, "a block of each order")) {
            break;
        }
        outcome.equal(blocks[order] % (frames_in(order) << kPageShift), 0, "aligned to its size");
        outcome.equal(frames::order_of(blocks[order]), order, "knows its order");
        for (unsigned other = 0; other < order; ++other) {
            const PhysAddr end = blocks[order] + (frames_in(order) << kPageShift);
            const PhysAddr other_end = blocks[other] + (frames_in(other) << kPageShift);
            outcome.holds(
                end <= blocks[other] || other_end <= blocks[order], "blocks do not overlap"
            );
        }
    }
    for (const PhysAddr block : blocks) {
        if (block != 0) {
            frames::release(block);
        }
    }
    outcome.equal(frames::allocate(frames::kOrders), 0, "no block is larger");
}

void buddies_join_again(Outcome& outcome) {
    const std::uint64_t before = frames::available();
    FrameChain largest;
    const std::uint64_t blocks = largest.take_all(frames::kOrders - 1);
    largest.give_back();
    FrameChain single;
    const std::uint64_t taken = single.take_all(0);
    outcome.equal(taken, before, "every free frame could be had");
    outcome.equal(frames::allocate(), 0, "then there is none");
    outcome.equal(frames::allocate_zeroed(), 0, "nor a zeroed one");
    single.give_back();
    outcome.equal(frames::available(), before, "all came back");
    outcome.equal(largest.take_all(frames::kOrders - 1), blocks, "as blocks of the largest order");
    largest.give_back();
}

void reserve_is_the_kernels(Outcome& outcome) {
    FrameChain chain;
    outcome.holds(!frames::are_scarce(), "there is memory at first");
    const std::uint64_t taken = chain.take_all_for_user();
    outcome.holds(taken != 0, "user pages could be had");
    outcome.holds(frames::are_scarce(), "none is left for users");
    const PhysAddr frame = frames::allocate();
    outcome.holds(frame != 0, "one is left for the kernel");
    if (frame != 0) {
        frames::release(frame);
    }
    chain.give_back();
    outcome.holds(!frames::are_scarce(), "there is memory again");
}

void references_and_pins_keep_a_frame(Outcome& outcome) {
    const std::uint64_t before = frames::available();
    const std::uint64_t pinned = frames::pinned();
    const PhysAddr frame = frames::allocate();
    if (!outcome.holds(frame != 0, "a frame")) {
        return;
    }
    frames::retain(frame);
    frames::pin(frame);
    outcome.equal(frames::pinned(), pinned + 1, "counted as pinned");
    frames::release(frame);
    frames::release(frame);
    outcome.equal(frames::available(), before - 1, "the pin keeps it");
    frames::unpin(frame);
    outcome.equal(frames::available(), before, "free after the last");
    outcome.equal(frames::pinned(), pinned, "and not pinned");
}

void zeroed_frames_are_zero(Outcome& outcome) {
    for (int round = 0; round < 2; ++round) {
        const PhysAddr frame =
            round == 0 ? frames::allocate_zeroed() : frames::allocate_zeroed_for_user();
        if (!outcome.holds(frame != 0, "a frame")) {
            return;
        }
        auto* const words = direct<std::uint64_t>(frame);
        std::uint64_t all = 0;
        for (std::size_t i = 0; i < kPageSize / sizeof *words; ++i) {
            all |= words[i];
            words[i] = ~std::uint64_t{0};  // for whoever gets it next
        }
        outcome.equal(all, 0, "every word is zero");
        frames::release(frame);
    }
}

// Processes share pages of the image (the vDSO): when the last of them ends, the page must not
// become anybody's memory.
void image_is_never_free(Outcome& outcome) {
    const std::uint64_t before = frames::available();
    static constinit char image_page[1] = {};
    const PhysAddr page = page_down(physical(image_page));
    frames::retain(page);
    frames::release(page);
    outcome.equal(frames::available(), before, "mapped and unmapped, it is still the kernel's");
}

void device_addresses_are_no_frames(Outcome& outcome) {
    outcome.holds(!frames::is_frame(0x10000000), "a device below memory");
    outcome.holds(!frames::is_frame(~std::uint64_t{0} - kPageSize), "the end of all addresses");
    outcome.holds(frames::is_frame(physical(&this_cpu())), "the kernel's own memory");
}

constexpr Test kTests[] = {
    {"frames.blocks_are_aligned_and_apart", &blocks_are_aligned_and_apart},
    {"frames.buddies_join_again", &buddies_join_again},
    {"frames.reserve_is_the_kernels", &reserve_is_the_kernels},
    {"frames.references_and_pins_keep_a_frame", &references_and_pins_keep_a_frame},
    {"frames.zeroed_frames_are_zero", &zeroed_frames_are_zero},
    {"frames.image_is_never_free", &image_is_never_free},
    {"frames.device_addresses_are_no_frames", &device_addresses_are_no_frames},
};

}  // namespace

std::span<const Test> frame_tests() {
    return kTests;
}

}  // namespace kernel::selftest
