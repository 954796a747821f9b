// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace test {

/// A small RISC-V ELF file whose headers a test may spoil before it takes the bytes.
struct ElfBuilder {
    Elf64_Ehdr header{};
    std::vector<Elf64_Phdr> segments;
    std::vector<std::byte> contents;  // follows the program headers

    ElfBuilder() {
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_EXEC;
        header.e_machine = EM_RISCV;
        header.e_version = EV_CURRENT;
        header.e_phoff = sizeof header;
        header.e_ehsize = sizeof header;
        header.e_phentsize = sizeof(Elf64_Phdr);
    }

    /// Adds a loadable segment with `bytes` in the file and `memory` in memory.
    ElfBuilder&
    load(std::uint64_t physical, std::span<const std::byte> bytes, std::uint64_t memory) {
        Elf64_Phdr segment{};
        segment.p_type = PT_LOAD;
        segment.p_flags = PF_R | PF_W | PF_X;
        segment.p_offset = contents.size();  // made absolute by build()
        segment.p_vaddr = physical;
        segment.p_paddr = physical;
        segment.p_filesz = bytes.size();
        segment.p_memsz = memory;
        segments.push_back(segment);
        contents.insert(contents.end(), bytes.begin(), bytes.end());
        return *this;
    }
    ElfBuilder& entry(std::uint64_t address) {
        header.e_entry = address;
        return *this;
    }

    std::vector<std::byte> build() const {
        Elf64_Ehdr first = header;
        first.e_phnum = static_cast<Elf64_Half>(segments.size());
        const std::size_t start = sizeof first + segments.size() * sizeof(Elf64_Phdr);
        std::vector<std::byte> file(start + contents.size());
        std::memcpy(file.data(), &first, sizeof first);
        for (std::size_t i = 0; i < segments.size(); ++i) {
            Elf64_Phdr segment = segments[i];
            segment.p_offset += start;
            std::memcpy(file.data() + sizeof first + i * sizeof segment, &segment, sizeof segment);
        }
        if (!contents.empty()) {
            std::memcpy(file.data() + start, contents.data(), contents.size());
        }
        return file;
    }
};

}  // namespace test
