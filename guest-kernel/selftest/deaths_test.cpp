// SPDX-License-Identifier: Apache-2.0
// What the kernel must not live through, each chosen by its name alone; and a test that fails, to
// see that failures are seen.
#include "arch/riscv64/page_table.hpp"
#include "base/log.hpp"
#include "base/spinlock.hpp"
#include "mm/address_space.hpp"
#include "mm/frames.hpp"
#include "selftest/selftest.hpp"

#include <limits>

extern "C" {
extern char kernel_start[];
extern char kernel_text_end[];
}

namespace kernel::selftest {

namespace {

void fails(Outcome& outcome) {
    outcome.equal(1 + 1, 3, "one and one make three");
    outcome.holds(false, "only the first failure is told");
}

void write_to(std::uint64_t address) {
    *reinterpret_cast<volatile std::uint32_t*>(address) = 0;
}

void store_to_text(Outcome&) {
    write_to(reinterpret_cast<std::uint64_t>(kernel_start));
}
void store_to_constants(Outcome&) {
    write_to(reinterpret_cast<std::uint64_t>(kernel_text_end));
}
void store_to_null(Outcome&) {
    __asm__ volatile("sw zero, 0(zero)");  // past the compiler's checks
}

void jump_to_data(Outcome&) {
    static constinit std::uint32_t code[] = {0x00008067, 0};  // ret
    __asm__ volatile("fence.i\n\tjalr %0" : : "r"(code) : "ra", "memory");
}

// A process's memory, mapped with all rights: not the kernel's to touch, for SUM is never set.
UserAddr enter_user_space(AddressSpace& space) {
    constexpr UserAddr kHere = 0x20000000;
    Area area;
    area.start = kHere;
    area.end = kHere + kPageSize;
    area.rights = kRead | kWrite | kExecute;
    const std::uint32_t code[] = {0x00008067, 0};  // ret
    const bool good = space.init(kMaxProcesses).has_value() && space.map(area).has_value()
                      && space.write(kHere, code, sizeof code);
    check(good, "no memory for a user page");
    set_satp(space.satp());
    return kHere;
}
void load_from_user(Outcome& outcome) {
    AddressSpace space;
    std::uint64_t value = 0;
    __asm__ volatile("ld %0, 0(%1)" : "=r"(value) : "r"(enter_user_space(space)) : "memory");
    outcome.equal(value, 0, "nobody gets here");
}
void jump_to_user(Outcome&) {
    AddressSpace space;
    __asm__ volatile("fence.i\n\tjalr %0" : : "r"(enter_user_space(space)) : "ra", "memory");
}

[[gnu::noinline]] unsigned descend(volatile unsigned* above, unsigned depth) {
    volatile unsigned frame[64];
    frame[0] = above[0];
    return depth == 0 ? 0 : descend(frame, depth - 1) + frame[0];
}
void overflow_stack(Outcome& outcome) {
    volatile unsigned first = 1;
    outcome.equal(descend(&first, 1 << 20), 1 << 20, "far too deep");
}

void take_locks_the_wrong_way_round(Outcome&) {
    SpinLock low{Rank::process};
    SpinLock high{Rank::frames};
    const Guard first(high);
    const Guard second(low);
}

void release_twice(Outcome&) {
    const PhysAddr frame = frames::allocate();
    frames::release(frame);
    frames::release(frame);
}

void overflow_a_number(Outcome& outcome) {
    volatile int number = std::numeric_limits<int>::max();
    number = number + 1;
    outcome.holds(number != 0, "nobody gets here");
}
void shift_too_far(Outcome& outcome) {
    volatile unsigned by = 32;
    outcome.holds((1u << by) != 0, "nobody gets here");
}
void index_too_far(Outcome& outcome) {
    static constinit int items[4] = {};
    volatile unsigned index = 4;
    outcome.holds(items[index] == 0, "nobody gets here");
}
void load_misaligned(Outcome& outcome) {
    alignas(8) static constinit char bytes[16] = {};
    const volatile std::uint64_t at = reinterpret_cast<std::uint64_t>(bytes) + 1;
    outcome.equal(*reinterpret_cast<const std::uint64_t*>(at), 0, "nobody gets here");
}

constexpr Test kTests[] = {
    {"death.fails", &fails},
    {"death.store_to_text", &store_to_text},
    {"death.store_to_constants", &store_to_constants},
    {"death.store_to_null", &store_to_null},
    {"death.jump_to_data", &jump_to_data},
    {"death.load_from_user", &load_from_user},
    {"death.jump_to_user", &jump_to_user},
    {"death.overflow_stack", &overflow_stack},
    {"death.take_locks_the_wrong_way_round", &take_locks_the_wrong_way_round},
    {"death.release_twice", &release_twice},
    {"death.overflow_a_number", &overflow_a_number},
    {"death.shift_too_far", &shift_too_far},
    {"death.index_too_far", &index_too_far},
    {"death.load_misaligned", &load_misaligned},
};

}  // namespace

std::span<const Test> tests_to_the_death() {
    return kTests;
}

}  // namespace kernel::selftest
