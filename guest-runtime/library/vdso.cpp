// SPDX-License-Identifier: Apache-2.0
// The symbols of the vDSO by name and version, as the ELF gABI and "Linux Standard Base, Symbol
// Versioning" lay them out. The kernel made the image: it is read, not checked for malice.
#include "vdso.hpp"

#include <elf.h>
#include <sys/auxv.h>

#include <cstdint>
#include <cstring>

// Where each call goes on; read by executor_calls.S.
#define COPS_EXECUTOR_CALL(name) extern "C" const void* cops_entry_##name;
#include <executor/calls.inc>
#undef COPS_EXECUTOR_CALL
#define COPS_EXECUTOR_CALL(name) const void* cops_entry_##name = nullptr;
#include <executor/calls.inc>
#undef COPS_EXECUTOR_CALL

namespace cops::detail {

namespace {

// Of the calls in calls.inc. A later image offers them under this version too.
constexpr const char* kVersion = "COPS_1";
constexpr Elf64_Half kIndexMask = 0x7fff;  // the top bit of a version index says "hidden"

class Image {
public:
    explicit Image(std::uintptr_t base)
        : base_(base) {
        const auto& header = at<Elf64_Ehdr>(0);
        const Elf64_Dyn* dynamic = nullptr;
        for (unsigned i = 0; i < header.e_phnum; ++i) {
            const auto& segment = at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
            if (segment.p_type == PT_DYNAMIC) {
                dynamic = &at<Elf64_Dyn>(segment.p_vaddr);
            }
        }
        for (; dynamic != nullptr && dynamic->d_tag != DT_NULL; ++dynamic) {
            note(*dynamic);
        }
    }

    /// Index of a version definition; 0 = there is none of this name.
    [[nodiscard]] Elf64_Half version(const char* name) const {
        const Elf64_Verdef* definition = definitions_;
        for (std::uint64_t i = 0; i < definition_count_; ++i) {
            const auto& first = after<Elf64_Verdaux>(*definition, definition->vd_aux);
            if (std::strcmp(strings_ + first.vda_name, name) == 0) {
                return definition->vd_ndx & kIndexMask;
            }
            definition = &after<Elf64_Verdef>(*definition, definition->vd_next);
        }
        return 0;
    }

    /// Address of a function of that version, or null.
    [[nodiscard]] const void* function(const char* name, Elf64_Half version) const {
        if (symbols_ == nullptr || strings_ == nullptr || versions_ == nullptr) {
            return nullptr;
        }
        for (unsigned i = 1; i < symbol_count_; ++i) {
            const Elf64_Sym& symbol = symbols_[i];
            if (symbol.st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol.st_info) == STT_FUNC
                && (versions_[i] & kIndexMask) == version
                && std::strcmp(strings_ + symbol.st_name, name) == 0) {
                return &at<char>(symbol.st_value);
            }
        }
        return nullptr;
    }

private:
    // The image is linked at 0, and its one segment begins at its start.
    template <typename T>
    [[nodiscard]] const T& at(std::uint64_t offset) const {
        return *reinterpret_cast<const T*>(base_ + offset);
    }
    template <typename T, typename From>
    static const T& after(const From& from, std::uint64_t bytes) {
        return *reinterpret_cast<const T*>(reinterpret_cast<std::uintptr_t>(&from) + bytes);
    }

    void note(const Elf64_Dyn& entry) {
        switch (entry.d_tag) {
        case DT_SYMTAB:
            symbols_ = &at<Elf64_Sym>(entry.d_un.d_ptr);
            break;
        case DT_STRTAB:
            strings_ = &at<char>(entry.d_un.d_ptr);
            break;
        case DT_HASH:
            symbol_count_ = (&at<Elf64_Word>(entry.d_un.d_ptr))[1];  // nchain
            break;
        case DT_VERSYM:
            versions_ = &at<Elf64_Half>(entry.d_un.d_ptr);
            break;
        case DT_VERDEF:
            definitions_ = &at<Elf64_Verdef>(entry.d_un.d_ptr);
            break;
        case DT_VERDEFNUM:
            definition_count_ = entry.d_un.d_val;
            break;
        default:
            break;
        }
    }

    std::uintptr_t base_;
    const Elf64_Sym* symbols_ = nullptr;
    const char* strings_ = nullptr;
    const Elf64_Half* versions_ = nullptr;
    const Elf64_Verdef* definitions_ = nullptr;
    std::uint64_t definition_count_ = 0;
    unsigned symbol_count_ = 0;
};

struct Call {
    const char* name;
    const void** entry;
};

constexpr Call kCalls[] = {
#define COPS_EXECUTOR_CALL(name) {"cops_executor_" #name, &cops_entry_##name},
#include <executor/calls.inc>
#undef COPS_EXECUTOR_CALL
};

}  // namespace

const char* find_executor() noexcept {
    const std::uintptr_t base = getauxval(AT_SYSINFO_EHDR);
    if (base == 0) {
        return "no vDSO";
    }
    const Image image(base);
    const Elf64_Half version = image.version(kVersion);
    if (version == 0) {
        return "no executor of version COPS_1 in the vDSO";
    }
    for (const Call& call : kCalls) {
        *call.entry = image.function(call.name, version);
        if (*call.entry == nullptr) {
            return call.name;
        }
    }
    return nullptr;
}

}  // namespace cops::detail
