// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace vmm {

/// Where guest RAM lies.
struct RamRange {
    GuestPhys base;
    std::uint64_t bytes = 0;
};

/// A piece of a kernel in guest-physical memory: `contents`, then zeros up to `bytes`.
struct KernelSegment {
    GuestPhys address;
    std::uint64_t bytes = 0;  ///< At least contents.size(), and wholly inside RAM.
    std::span<const std::byte> contents;
};

/// A kernel that has been checked and may be copied into RAM.
struct KernelImage {
    GuestPhys entry;                      ///< Inside one of the segments.
    GuestPhys end;                        ///< First byte after everything that the kernel occupies.
    std::vector<KernelSegment> segments;  ///< Disjoint.
    std::vector<std::byte> decompressed;  ///< What the segments' contents point into, for gzip.
};

// All of these are pure functions over bytes that anybody may have written. `name` is how messages
// call the file. Segments point into `file` (or into KernelImage::decompressed).

/// A static RISC-V ELF64 file, placed at its physical addresses.
Result<KernelImage> parse_elf(std::span<const std::byte> file, std::string_view name, RamRange ram);
/// A RISC-V `Image` (Linux, Documentation/arch/riscv/boot-image-header.rst), uncompressed.
Result<KernelImage>
parse_image(std::span<const std::byte> file, std::string_view name, RamRange ram);
/// Inflates a gzip file; fails when the result is larger than `limit` bytes.
Result<std::vector<std::byte>>
gunzip(std::span<const std::byte> file, std::string_view name, std::uint64_t limit);
/// Any of the above, told apart by their magic numbers.
Result<KernelImage>
parse_kernel(std::span<const std::byte> file, std::string_view name, RamRange ram);

}  // namespace vmm
