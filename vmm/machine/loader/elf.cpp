// SPDX-License-Identifier: Apache-2.0
#include "machine/loader/kernel_image.hpp"

#include <fmt/format.h>

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace vmm {
namespace {

std::unexpected<Error> bad(std::string_view name, std::string_view what) {
    return fail(
        ErrorKind::configuration,
        fmt::format("kernel {}: {}; a static RISC-V ELF64 file is accepted", name, what)
    );
}

/// Copies a structure out of the file; false when it isn't wholly there.
template <class T>
bool copy_at(std::span<const std::byte> file, std::uint64_t offset, T& to) {
    if (offset > file.size() || sizeof(T) > file.size() - offset) {
        return false;
    }
    std::memcpy(&to, file.data() + offset, sizeof(T));
    return true;
}

/// Null when the header describes something that we can load.
const char* header_fault(const Elf64_Ehdr& header) {
    if (header.e_ident[EI_CLASS] != ELFCLASS64) {
        return "it is not 64-bit";
    }
    if (header.e_ident[EI_DATA] != ELFDATA2LSB) {
        return "it is not little-endian";
    }
    if (header.e_ident[EI_VERSION] != EV_CURRENT || header.e_version != EV_CURRENT) {
        return "its ELF version is unknown";
    }
    if (header.e_machine != EM_RISCV) {
        return "it is for another architecture than RISC-V";
    }
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
        return "it is not an executable file";
    }
    if (header.e_phnum == 0) {
        return "it has no program headers";
    }
    if (header.e_phentsize != sizeof(Elf64_Phdr)) {
        return "its program headers have an impossible size";
    }
    return nullptr;
}

Result<KernelSegment> check_segment(
    std::span<const std::byte> file, std::string_view name, RamRange ram, const Elf64_Phdr& header
) {
    if (header.p_offset > file.size() || header.p_filesz > file.size() - header.p_offset) {
        return bad(
            name,
            fmt::format(
                "it is truncated (a segment of {} bytes at file offset {}, but the file has {} "
                "bytes)",
                header.p_filesz,
                header.p_offset,
                file.size()
            )
        );
    }
    if (header.p_filesz > header.p_memsz) {
        return bad(name, "a segment is larger in the file than in memory");
    }
    // Written so that no sum can wrap.
    if (header.p_paddr < ram.base.value || header.p_memsz > ram.bytes
        || header.p_paddr - ram.base.value > ram.bytes - header.p_memsz) {
        return bad(
            name,
            fmt::format(
                "its segment of {} bytes at {:#x} lies outside of the guest's memory of {} bytes "
                "at "
                "{:#x}",
                header.p_memsz,
                header.p_paddr,
                ram.bytes,
                ram.base.value
            )
        );
    }
    return KernelSegment{
        {header.p_paddr},
        header.p_memsz,
        file.subspan(header.p_offset, header.p_filesz),
    };
}

/// Entry points are virtual addresses; the segment that holds it says where that is physically.
bool translate_entry(std::uint64_t entry, const Elf64_Phdr& header, GuestPhys& physical) {
    // Kernels that are linked high and start with the MMU off name the physical address itself.
    for (const std::uint64_t base : {header.p_vaddr, header.p_paddr}) {
        if (entry >= base && entry - base < header.p_memsz) {
            physical = {header.p_paddr + (entry - base)};
            return true;
        }
    }
    return false;
}

Result<void> check_overlap(std::string_view name, std::vector<KernelSegment> segments) {
    std::ranges::sort(segments, {}, &KernelSegment::address);
    for (std::size_t i = 1; i < segments.size(); ++i) {
        const KernelSegment& below = segments[i - 1];
        if (segments[i].address.value - below.address.value < below.bytes) {
            return bad(
                name,
                fmt::format(
                    "its segments at {:#x} and {:#x} overlap",
                    below.address.value,
                    segments[i].address.value
                )
            );
        }
    }
    return {};
}

}  // namespace

Result<KernelImage>
parse_elf(std::span<const std::byte> file, std::string_view name, RamRange ram) {
    Elf64_Ehdr header;
    if (!copy_at(file, 0, header)) {
        return bad(name, "it is truncated (shorter than an ELF header)");
    }
    if (const char* fault = header_fault(header)) {
        return bad(name, fault);
    }
    KernelImage image;
    bool entered = false;
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        // e_phoff may be anything: add to it only what can't wrap past the check.
        Elf64_Phdr segment;
        if (header.e_phoff > file.size()
            || !copy_at(file, header.e_phoff + std::uint64_t{i} * sizeof segment, segment)) {
            return bad(name, "it is truncated (its program headers are not all there)");
        }
        if (segment.p_type == PT_INTERP) {
            return bad(name, "it is dynamically linked");
        }
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0) {
            continue;
        }
        const auto checked = check_segment(file, name, ram, segment);
        if (!checked) {
            return std::unexpected(checked.error());
        }
        image.segments.push_back(*checked);
        image.end = std::max(image.end, checked->address + checked->bytes);
        entered = translate_entry(header.e_entry, segment, image.entry) || entered;
    }
    if (image.segments.empty()) {
        return bad(name, "it has nothing to load");
    }
    if (const auto disjoint = check_overlap(name, image.segments); !disjoint) {
        return std::unexpected(disjoint.error());
    }
    if (!entered) {
        return bad(
            name, fmt::format("its entry point {:#x} lies outside of its segments", header.e_entry)
        );
    }
    if (image.entry.value % 2 != 0) {
        return bad(name, fmt::format("its entry point {:#x} is odd", header.e_entry));
    }
    return image;
}

}  // namespace vmm
