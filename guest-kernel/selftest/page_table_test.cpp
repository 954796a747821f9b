// SPDX-License-Identifier: Apache-2.0
// Page tables, and what the kernel's own allow: read by a walk of our own.
#include "arch/riscv64/csr.hpp"
#include "arch/riscv64/page_table.hpp"
#include "mm/frames.hpp"
#include "selftest/selftest.hpp"

extern "C" {
extern char kernel_start[];
extern char kernel_text_end[];
extern char kernel_rodata_end[];
}

namespace kernel::selftest {

namespace {

constexpr unsigned kEntries = 512;
constexpr unsigned kKernelHalf = 256;
constexpr Pte kLeaf = kPteRead | kPteWrite | kPteExecute;

const Pte* table_at(PhysAddr address) {
    return direct<const Pte>(address);
}
const Pte* root_in_use() {
    return table_at((csr::read<csr::satp>() & ((std::uint64_t{1} << 44) - 1)) << kPageShift);
}

/// What maps an address; 0 when nothing does.
Pte leaf_of(const Pte* root, std::uint64_t address) {
    const Pte* table = root;
    for (unsigned level = 3; level-- > 0;) {
        const Pte entry = table[address >> (kPageShift + 9 * level) & (kEntries - 1)];
        if ((entry & kPteValid) == 0) {
            return 0;
        }
        if ((entry & kLeaf) != 0) {
            return entry;
        }
        table = table_at(pte_address(entry));
    }
    return 0;
}

std::uint64_t address_of(const void* pointer) {
    return reinterpret_cast<std::uint64_t>(pointer);
}

struct Walk {
    Outcome* outcome;
    std::uint64_t executable_bytes = 0;
    std::uint64_t leaves = 0;

    void visit(const Pte* table, int level, std::uint64_t base);
    void leaf(Pte entry, std::uint64_t address, std::uint64_t bytes);
};

void Walk::leaf(Pte entry, std::uint64_t address, std::uint64_t bytes) {
    ++leaves;
    outcome->holds((entry & kPteUser) == 0, "the kernel's memory is not the user's");
    outcome->holds(
        (entry & (kPteWrite | kPteExecute)) != (kPteWrite | kPteExecute),
        "nothing is both writable and executable"
    );
    if ((entry & kPteExecute) != 0) {
        executable_bytes += bytes;
        outcome->holds(
            address >= address_of(kernel_start) && address + bytes <= address_of(kernel_text_end),
            "only text is executable"
        );
    }
}

void Walk::visit(const Pte* table, int level, std::uint64_t base) {
    const std::uint64_t bytes = std::uint64_t{kPageSize} << (9 * level);
    for (unsigned i = level == 2 ? kKernelHalf : 0; i < kEntries; ++i) {
        // Sign-extended from bit 38: the root's upper half is the kernel's.
        const std::uint64_t address =
            (base | i * bytes) | (level == 2 ? ~std::uint64_t{0} << 39 : 0);
        if ((table[i] & kPteValid) == 0) {
            continue;
        }
        if ((table[i] & kLeaf) != 0) {
            leaf(table[i], address, bytes);
        } else if (outcome->holds(level > 0, "no table below the last level")) {
            visit(table_at(pte_address(table[i])), level - 1, address);
        }
    }
}

void kernel_is_writable_or_executable(Outcome& outcome) {
    Walk walk{&outcome};
    walk.visit(root_in_use(), 2, 0);
    outcome.holds(walk.leaves > kEntries, "the walk saw the image page by page");
    outcome.equal(
        walk.executable_bytes, kernel_text_end - kernel_start, "all of the text is executable"
    );
}

void text_and_constants_are_read_only(Outcome& outcome) {
    for (const char* at = kernel_start; at < kernel_rodata_end; at += kPageSize) {
        const Pte entry = leaf_of(root_in_use(), address_of(at));
        outcome.holds((entry & kPteRead) != 0, "readable");
        outcome.holds((entry & kPteWrite) == 0, "not writable");
    }
    static constinit std::uint64_t data = 1;
    const Pte entry = leaf_of(root_in_use(), address_of(&data));
    outcome.holds((entry & kPteWrite) != 0 && (entry & kPteExecute) == 0, "data is for writing");
}

void nothing_is_mapped_in_the_users_half(Outcome& outcome) {
    // Tests run in the kernel's own address space.
    for (unsigned i = 0; i < kKernelHalf; ++i) {
        outcome.equal(root_in_use()[i], 0, "no entry");
    }
}

void stack_has_a_guard_page(unsigned, void* argument) {
    Outcome& outcome = *static_cast<Outcome*>(argument);
    std::uint64_t at = page_down(address_of(__builtin_frame_address(0)));
    unsigned pages = 0;
    for (; leaf_of(root_in_use(), at) != 0 && pages < 64; ++pages) {
        at -= kPageSize;
    }
    outcome.holds(pages != 0 && pages < 64, "the stack ends at a page that is not mapped");
    outcome.holds(at > ~std::uint64_t{0} << 30, "and is one of those in the last GiB");
}

Async<void> stacks_have_guard_pages(Outcome& outcome) {
    Outcome each[kMaxHarts];
    static constexpr auto kJob = [](unsigned hart, void* argument) {
        stack_has_a_guard_page(hart, static_cast<Outcome*>(argument) + hart);
    };
    Async<void> work = on_every_hart(kJob, each);
    if (outcome.holds(work.valid(), "memory for the work")) {
        co_await work;
    }
    for (const Outcome& one : each) {
        outcome.holds(one.good(), "a guard page on every hart");
    }
}

void user_root_has_the_kernels_half(Outcome& outcome) {
    const PhysAddr root = new_user_root();
    if (!outcome.holds(root != 0, "a root")) {
        return;
    }
    for (unsigned i = 0; i < kEntries; ++i) {
        outcome.equal(
            table_at(root)[i], i < kKernelHalf ? 0 : root_in_use()[i], "the kernel's half alone"
        );
    }
    free_user_root(root);
}

void tables_are_made_and_freed(Outcome& outcome) {
    const std::uint64_t before = frames::available();
    const PhysAddr root = new_user_root();
    if (!outcome.holds(root != 0, "a root")) {
        return;
    }
    constexpr UserAddr kHere = 0x1234567000;
    outcome.holds(user_pte(root, kHere, false) == nullptr, "no table at first");
    outcome.equal(frames::available(), before - 1, "looking made none");
    Pte* const entry = user_pte(root, kHere, true);
    outcome.holds(entry != nullptr && *entry == 0, "an empty entry");
    outcome.holds(user_pte(root, kHere, false) == entry, "the same when asked again");
    outcome.holds(user_pte(root, kHere + kPageSize, true) == entry + 1, "its neighbour's");
    outcome.equal(frames::available(), before - 3, "two tables below the root");
    user_pte(root, 0, true);
    user_pte(root, kUserEnd - kPageSize, true);
    free_user_root(root);
    outcome.equal(frames::available(), before, "all tables came back");
}

constexpr Test kTests[] = {
    {"page_table.kernel_is_writable_or_executable", &kernel_is_writable_or_executable},
    {"page_table.text_and_constants_are_read_only", &text_and_constants_are_read_only},
    {"page_table.nothing_is_mapped_in_the_users_half", &nothing_is_mapped_in_the_users_half},
    {"page_table.stacks_have_guard_pages", &stacks_have_guard_pages},
    {"page_table.user_root_has_the_kernels_half", &user_root_has_the_kernels_half},
    {"page_table.tables_are_made_and_freed", &tables_are_made_and_freed},
};

}  // namespace

std::span<const Test> page_table_tests() {
    return kTests;
}

}  // namespace kernel::selftest
