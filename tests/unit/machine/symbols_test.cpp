// SPDX-License-Identifier: Apache-2.0
#include "machine/loader/symbols.hpp"

#include <gtest/gtest.h>

#include <elf.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace vmm {
namespace {

struct Named {
    std::string name;
    std::uint64_t address;
    std::uint64_t size;
    unsigned char type = STT_FUNC;
    std::uint16_t section = 1;
};

/// An ELF file of nothing but a text section (1), a data section (2) and symbols.
std::vector<std::byte> elf_with(const std::vector<Named>& symbols) {
    std::string names(1, '\0');
    std::vector<Elf64_Sym> table(1);
    for (const Named& named : symbols) {
        Elf64_Sym symbol{};
        symbol.st_name = static_cast<Elf64_Word>(names.size());
        symbol.st_info = static_cast<unsigned char>(STB_GLOBAL << 4 | named.type);
        symbol.st_shndx = named.section;
        symbol.st_value = named.address;
        symbol.st_size = named.size;
        table.push_back(symbol);
        names += named.name + '\0';
    }
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_machine = EM_RISCV;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 5;
    header.e_shoff = sizeof header;
    const std::uint64_t table_at = header.e_shoff + 5 * sizeof(Elf64_Shdr);
    const std::uint64_t table_size = table.size() * sizeof(Elf64_Sym);
    std::vector<Elf64_Shdr> sections(5);
    sections[1].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
    sections[2].sh_flags = SHF_ALLOC | SHF_WRITE;
    sections[3].sh_type = SHT_SYMTAB;
    sections[3].sh_entsize = sizeof(Elf64_Sym);
    sections[3].sh_offset = table_at;
    sections[3].sh_size = table_size;
    sections[3].sh_link = 4;
    sections[4].sh_type = SHT_STRTAB;
    sections[4].sh_offset = table_at + table_size;
    sections[4].sh_size = names.size();
    std::vector<std::byte> file(table_at + table_size + names.size());
    std::memcpy(file.data(), &header, sizeof header);
    std::memcpy(file.data() + header.e_shoff, sections.data(), 5 * sizeof(Elf64_Shdr));
    std::memcpy(file.data() + table_at, table.data(), table_size);
    std::memcpy(file.data() + table_at + table_size, names.data(), names.size());
    return file;
}

TEST(Symbols, an_address_belongs_to_the_function_around_it) {
    Symbols symbols;
    symbols.add(elf_with({{"two", 0x2000, 0x10}, {"one", 0x1000, 0x20}}));
    EXPECT_EQ(symbols.find(0x1000).name, "one");
    EXPECT_EQ(symbols.find(0x101f).name, "one");
    EXPECT_EQ(symbols.find(0x101f).offset, 0x1fU);
    EXPECT_EQ(symbols.find(0x1020).name, "");
    EXPECT_EQ(symbols.find(0x200f).name, "two");
    EXPECT_EQ(symbols.find(0xfff).name, "");
    EXPECT_EQ(symbols.find(~std::uint64_t{0}).name, "");
}

TEST(Symbols, labels_name_code_and_marks_and_data_name_nothing) {
    Symbols symbols;
    symbols.add(elf_with({
        {"entry", 0x1000, 0, STT_NOTYPE},
        {"$xrv64", 0x1004, 0, STT_NOTYPE},
        {".L1", 0x1008, 0, STT_NOTYPE},
        {"table", 0x1010, 8, STT_OBJECT, 2},
        {"other", 0x1018, 8, STT_NOTYPE, 2},
    }));
    EXPECT_EQ(symbols.find(0x101c).name, "entry");
    EXPECT_EQ(symbols.find(0x1000 + (1 << 20)).name, "");
}

TEST(Symbols, files_add_up_and_a_size_wins) {
    Symbols symbols;
    symbols.add(elf_with({{"label", 0x1000, 0, STT_NOTYPE}}));
    symbols.add(elf_with({{"function", 0x1000, 4}}));
    EXPECT_EQ(symbols.find(0x1000).name, "function");
}

TEST(Symbols, damaged_files_cost_names_only) {
    const std::vector<std::byte> sound = elf_with({{"one", 0x1000, 16}, {"two", 0x2000, 16}});
    std::mt19937_64 random(3);
    for (int round = 0; round < 5000; ++round) {
        std::vector<std::byte> file = sound;
        for (int n = 0; n < 4; ++n) {
            file[random() % file.size()] = static_cast<std::byte>(random());
        }
        file.resize(random() % 4 == 0 ? random() % file.size() : file.size());
        Symbols symbols;
        symbols.add(file);
        (void)symbols.find(0x1004);
    }
    Symbols none;
    none.add({});
    EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace vmm
