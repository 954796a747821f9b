// SPDX-License-Identifier: Apache-2.0
#include "proc/elf.hpp"

#include <elf.h>

namespace kernel {

namespace {

constexpr UserAddr kPieBase = 0x10000000;
constexpr UserAddr kLowest = 0x1000;
constexpr std::uint64_t kMaxSegments = 64;

const std::unexpected<Errno> kBad(Errno::bad_executable);

bool is_program(const Elf64_Ehdr& header) {
    return header.e_ident[EI_MAG0] == ELFMAG0 && header.e_ident[EI_MAG1] == ELFMAG1
           && header.e_ident[EI_MAG2] == ELFMAG2 && header.e_ident[EI_MAG3] == ELFMAG3
           && header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB
           && header.e_machine == EM_RISCV && (header.e_type == ET_EXEC || header.e_type == ET_DYN)
           && header.e_phentsize == sizeof(Elf64_Phdr) && header.e_phnum != 0
           && header.e_phnum <= kMaxSegments;
}

std::uint32_t rights_of(std::uint32_t flags) {
    return ((flags & PF_R) != 0 ? kRead : 0) | ((flags & PF_W) != 0 ? kWrite : 0)
           | ((flags & PF_X) != 0 ? kExecute : 0);
}

// A segment's own numbers make sense, and its file part lies in the file.
bool is_sound(const Elf64_Phdr& segment, std::uint64_t base, std::uint64_t file_bytes) {
    return segment.p_filesz <= segment.p_memsz && segment.p_offset <= file_bytes
           && segment.p_filesz <= file_bytes - segment.p_offset
           && segment.p_vaddr <= kUserEnd - base
           && segment.p_memsz <= kUserEnd - base - segment.p_vaddr
           && segment.p_vaddr + base >= kLowest
           && (segment.p_vaddr & (kPageSize - 1)) == (segment.p_offset & (kPageSize - 1));
}

Result<void> map_segment(
    AddressSpace& space, const Elf64_Phdr& segment, UserAddr base, std::span<const std::byte> file
) {
    Area area;
    area.start = page_down(base + segment.p_vaddr);
    area.end = page_up(base + segment.p_vaddr + segment.p_memsz);
    area.rights = rights_of(segment.p_flags);
    area.committed = (area.rights & kWrite) != 0;
    area.file = file.data() + segment.p_offset;
    area.file_start = base + segment.p_vaddr;
    area.file_bytes = segment.p_filesz;
    Result<void> result = space.map(area);
    if (!result && result.error() != Errno::no_memory) {
        return kBad;  // segments overlap
    }
    return result;
}

}  // namespace

Result<LoadedProgram> load_program(AddressSpace& space, std::span<const std::byte> file) {
    Elf64_Ehdr header;
    if (file.size() < sizeof header) {
        return kBad;
    }
    __builtin_memcpy(&header, file.data(), sizeof header);
    const std::uint64_t table_bytes = std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
    if (!is_program(header) || header.e_phoff > file.size()
        || table_bytes > file.size() - header.e_phoff) {
        return kBad;
    }
    const UserAddr base = header.e_type == ET_DYN ? kPieBase : 0;
    LoadedProgram program;
    program.entry = base + header.e_entry;
    program.header_bytes = sizeof(Elf64_Phdr);
    program.header_count = header.e_phnum;
    bool executable = false;
    for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment;
        __builtin_memcpy(
            &segment, file.data() + header.e_phoff + i * sizeof segment, sizeof segment
        );
        if (segment.p_type == PT_INTERP) {
            return kBad;  // dynamic executables need a loader that isn't here
        }
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0) {
            continue;
        }
        if (!is_sound(segment, base, file.size())) {
            return kBad;
        }
        if (Result<void> result = map_segment(space, segment, base, file); !result) {
            return std::unexpected(result.error());
        }
        const UserAddr start = base + segment.p_vaddr;
        if (header.e_phoff >= segment.p_offset
            && header.e_phoff - segment.p_offset + table_bytes <= segment.p_filesz) {
            program.headers = start + (header.e_phoff - segment.p_offset);
        }
        executable = executable
                     || ((segment.p_flags & PF_X) != 0 && program.entry >= start
                         && program.entry - start < segment.p_memsz);
        program.end = start + segment.p_memsz > program.end ? start + segment.p_memsz : program.end;
    }
    if (!executable) {
        return kBad;
    }
    return program;
}

}  // namespace kernel
