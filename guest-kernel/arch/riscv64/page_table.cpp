// SPDX-License-Identifier: Apache-2.0
#include "arch/riscv64/page_table.hpp"

#include "arch/riscv64/csr.hpp"
#include "base/log.hpp"
#include "mm/frames.hpp"

#include <bit>

extern "C" {
extern char kernel_start[];
extern char kernel_text_end[];
extern char kernel_rodata_end[];
}

namespace kernel {

namespace {

constexpr std::uint64_t kSv39 = std::uint64_t{8} << 60;
constexpr unsigned kEntries = 512;
constexpr unsigned kKernelHalf = 256;
constexpr unsigned kStackRootEntry = 511;  // top GiB: kernel stacks
constexpr unsigned kStackPages = 8;
constexpr unsigned kStackSlotPages = 16;  // stack and guard
constexpr Pte kKernelData =
    kPteValid | kPteRead | kPteWrite | kPteGlobal | kPteAccessed | kPteDirty;
constexpr std::uint64_t kGiga = std::uint64_t{1} << 30;
constexpr std::uint64_t kMega2 = std::uint64_t{1} << 21;

constinit PhysAddr kernel_root = 0;

PhysAddr table_or_panic() {
    const PhysAddr table = frames::allocate_zeroed();
    check(table != 0, "no memory for the kernel's page tables");
    return table;
}

Pte* entries(PhysAddr table) {
    return direct<Pte>(table);
}

// The GiB of the kernel image: 2 MiB leaves, and pages for the 2 MiB in which text and constants
// lie.
PhysAddr image_table(PhysAddr gib) {
    const PhysAddr table = table_or_panic();
    const PhysAddr image = physical(kernel_start);
    for (unsigned i = 0; i < kEntries; ++i) {
        const PhysAddr at = gib + i * kMega2;
        if (at != (image & ~(kMega2 - 1))) {
            entries(table)[i] = make_pte(at, kKernelData);
            continue;
        }
        const PhysAddr pages = table_or_panic();
        for (unsigned n = 0; n < kEntries; ++n) {
            const PhysAddr page = at + n * kPageSize;
            Pte flags = kKernelData;
            if (page >= image && page < physical(kernel_text_end)) {
                flags = kPteValid | kPteRead | kPteExecute | kPteGlobal | kPteAccessed;
            } else if (page >= physical(kernel_text_end) && page < physical(kernel_rodata_end)) {
                flags = kPteValid | kPteRead | kPteGlobal | kPteAccessed;
            }
            entries(pages)[n] = make_pte(page, flags);
        }
        entries(table)[i] = make_pte(pages, kPteValid);
    }
    return table;
}

// Null `allocate`: no table is made.
Pte* next_level(Pte& entry, PhysAddr (*allocate)()) {
    if ((entry & kPteValid) == 0) {
        const PhysAddr table = allocate == nullptr ? 0 : allocate();
        if (table == 0) {
            return nullptr;
        }
        entry = make_pte(table, kPteValid);
    }
    return entries(pte_address(entry));
}

void free_tables(Pte* table, unsigned count, unsigned depth) {
    for (unsigned i = 0; i < count; ++i) {
        if ((table[i] & kPteValid) == 0) {
            continue;
        }
        if (depth > 1) {
            free_tables(entries(pte_address(table[i])), kEntries, depth - 1);
        }
        frames::release(pte_address(table[i]));
    }
}

}  // namespace

void init_kernel_map(PhysAddr ram_start, PhysAddr ram_end) {
    kernel_root = table_or_panic();
    Pte* const root = entries(kernel_root);
    const PhysAddr image_gib = physical(kernel_start) & ~(kGiga - 1);
    root[kKernelHalf] = make_pte(0, kKernelData);  // devices lie below RAM
    for (PhysAddr gib = ram_start & ~(kGiga - 1); gib < ram_end; gib += kGiga) {
        root[kKernelHalf + gib / kGiga] =
            gib == image_gib ? make_pte(image_table(gib), kPteValid) : make_pte(gib, kKernelData);
    }
    root[kStackRootEntry] = make_pte(table_or_panic(), kPteValid);
    set_satp(kernel_satp());
    flush_translations();
}

void* map_kernel_stack(unsigned hart) {
    const std::uint64_t base =
        (~std::uint64_t{0} << 30) + hart * std::uint64_t{kStackSlotPages} * kPageSize;
    for (unsigned i = kStackSlotPages - kStackPages; i < kStackSlotPages; ++i) {
        const std::uint64_t address = base + i * kPageSize;
        Pte* const middle =
            next_level(entries(kernel_root)[kStackRootEntry], &frames::allocate_zeroed);
        Pte* const last = middle == nullptr
                              ? nullptr
                              : next_level(middle[address >> 21 & 511], &frames::allocate_zeroed);
        const PhysAddr frame = frames::allocate_zeroed();
        if (last == nullptr || frame == 0) {
            return nullptr;
        }
        last[address >> 12 & 511] = make_pte(frame, kKernelData);
    }
    flush_translations();
    return reinterpret_cast<void*>(base + kStackSlotPages * kPageSize);
}

std::uint64_t kernel_satp() {
    return kSv39 | kernel_root >> kPageShift;
}

PhysAddr new_user_root() {
    const PhysAddr root = frames::allocate_zeroed();
    if (root != 0) {
        for (unsigned i = kKernelHalf; i < kEntries; ++i) {
            entries(root)[i] = entries(kernel_root)[i];
        }
    }
    return root;
}

void free_user_root(PhysAddr root) {
    free_tables(entries(root), kKernelHalf, 2);
    frames::release(root);
}

Pte* user_pte(PhysAddr root, UserAddr address, bool create) {
    PhysAddr (*const allocate)() = create ? &frames::allocate_zeroed_for_user : nullptr;
    Pte* const middle = next_level(entries(root)[address >> 30 & 511], allocate);
    if (middle == nullptr) {
        return nullptr;
    }
    Pte* const last = next_level(middle[address >> 21 & 511], allocate);
    return last == nullptr ? nullptr : &last[address >> 12 & 511];
}

std::uint64_t user_satp(PhysAddr root, std::uint32_t asid) {
    return kSv39 | std::uint64_t{asid} << 44 | root >> kPageShift;
}

void set_satp(std::uint64_t satp) {
    csr::write<csr::satp>(satp);
}

void flush_page(UserAddr address, std::uint32_t asid) {
    const std::uint64_t id = asid;
    __asm__ volatile("sfence.vma %0, %1" : : "r"(address), "r"(id) : "memory");
}

void flush_asid(std::uint32_t asid) {
    const std::uint64_t id = asid;
    __asm__ volatile("sfence.vma zero, %0" : : "r"(id) : "memory");
}

std::uint32_t probe_asid_bits() {
    const std::uint64_t before = csr::read<csr::satp>();
    csr::write<csr::satp>(before | std::uint64_t{0xffff} << 44);
    const std::uint64_t kept = csr::read<csr::satp>() >> 44 & 0xffff;
    csr::write<csr::satp>(before);
    flush_translations();
    return static_cast<std::uint32_t>(std::popcount(kept));
}

}  // namespace kernel
