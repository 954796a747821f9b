// SPDX-License-Identifier: Apache-2.0
#include "machine/loader/symbols.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <tuple>

namespace vmm {
namespace {

/// A label without a size names what follows, up to the next one, but no further than this.
constexpr std::uint64_t kMostWithoutSize = 65536;

template <class T>
std::optional<T> copy_at(std::span<const std::byte> file, std::uint64_t offset) {
    T value{};
    if (offset > file.size() || sizeof(T) > file.size() - offset) {
        return std::nullopt;
    }
    std::memcpy(&value, file.data() + offset, sizeof(T));
    return value;
}

bool is_riscv_elf(const Elf64_Ehdr& header) {
    return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0
           && header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB
           && header.e_machine == EM_RISCV && header.e_shentsize == sizeof(Elf64_Shdr);
}

std::optional<Elf64_Shdr>
section(std::span<const std::byte> file, const Elf64_Ehdr& header, std::uint64_t index) {
    if (index >= header.e_shnum || header.e_shoff > file.size()) {
        return std::nullopt;
    }
    return copy_at<Elf64_Shdr>(file, header.e_shoff + index * sizeof(Elf64_Shdr));
}

std::string name_at(std::span<const std::byte> file, const Elf64_Shdr& names, std::uint32_t at) {
    if (names.sh_offset > file.size() || names.sh_size > file.size() - names.sh_offset
        || at >= names.sh_size) {
        return {};
    }
    const auto* text = reinterpret_cast<const char*>(file.data() + names.sh_offset + at);
    return {text, ::strnlen(text, names.sh_size - at)};
}

}  // namespace

void Symbols::add(std::span<const std::byte> elf) {
    const auto header = copy_at<Elf64_Ehdr>(elf, 0);
    if (!header || !is_riscv_elf(*header)) {
        return;
    }
    for (unsigned index = 0; index < header->e_shnum; ++index) {
        const auto table = section(elf, *header, index);
        if (!table || table->sh_type != SHT_SYMTAB || table->sh_entsize != sizeof(Elf64_Sym)
            || table->sh_offset > elf.size() || table->sh_size > elf.size() - table->sh_offset) {
            continue;
        }
        const auto names = section(elf, *header, table->sh_link);
        for (std::uint64_t at = 0; names && at + sizeof(Elf64_Sym) <= table->sh_size;
             at += sizeof(Elf64_Sym)) {
            const auto symbol = copy_at<Elf64_Sym>(elf, table->sh_offset + at);
            const auto type = ELF64_ST_TYPE(symbol->st_info);
            const auto home = section(elf, *header, symbol->st_shndx);
            const bool code = home && (home->sh_flags & SHF_EXECINSTR) != 0;
            if (!code || (type != STT_FUNC && type != STT_NOTYPE)) {
                continue;
            }
            std::string name = name_at(elf, *names, symbol->st_name);
            // "$x" and "$d" mark where code and data begin, ".L..." is a compiler's own.
            if (!name.empty() && name.front() != '$' && name.front() != '.') {
                symbols_.push_back({symbol->st_value, symbol->st_size, std::move(name)});
            }
        }
    }
    // Of several names of one address the one with a size says more.
    std::ranges::sort(symbols_, [](const Symbol& a, const Symbol& b) {
        return std::tie(a.address, b.size, a.name) < std::tie(b.address, a.size, b.name);
    });
    const auto same = [](const Symbol& a, const Symbol& b) { return a.address == b.address; };
    symbols_.erase(std::ranges::unique(symbols_, same).begin(), symbols_.end());
}

Symbols::Found Symbols::find(std::uint64_t address) const {
    auto after = std::ranges::upper_bound(symbols_, address, {}, &Symbol::address);
    if (after == symbols_.begin()) {
        return {};
    }
    const Symbol& symbol = *--after;
    const std::uint64_t offset = address - symbol.address;
    if (offset >= (symbol.size != 0 ? symbol.size : kMostWithoutSize)) {
        return {};
    }
    return {symbol.name, offset};
}

}  // namespace vmm
