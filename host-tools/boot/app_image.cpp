// SPDX-License-Identifier: Apache-2.0
#include "boot/app_image.hpp"

#include "support/failure.hpp"

#include <fmt/format.h>

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace tools {
namespace {

constexpr std::string_view kAccepted =
    "accepted: a static RISC-V Linux ELF, as riscv64-linux-gnu-gcc -static makes it";
constexpr off_t kMaxSize = off_t{1} << 30;

std::string machine_name(unsigned machine) {
    switch (machine) {
    case EM_X86_64:
        return "x86-64";
    case EM_386:
        return "x86";
    case EM_AARCH64:
        return "AArch64";
    case EM_ARM:
        return "Arm";
    default:
        return fmt::format("ELF machine {}", machine);
    }
}

std::string header_defect(std::span<const std::uint8_t> image, Elf64_Ehdr& header) {
    if (image.size() >= 2 && image[0] == '#' && image[1] == '!') {
        return "it is a script";
    }
    if (image.size() < SELFMAG
        || !std::equal(image.begin(), image.begin() + SELFMAG, ELFMAG, [](auto a, char b) {
               return a == static_cast<std::uint8_t>(b);
           })) {
        return image.empty() ? "it is empty" : "it is not an ELF file";
    }
    if (image.size() < sizeof header) {
        return fmt::format("it is truncated: {} bytes are less than an ELF header", image.size());
    }
    std::memcpy(&header, image.data(), sizeof header);
    // The machine's field lies at the same place for 32 bits.
    if (header.e_machine != EM_RISCV) {
        return fmt::format("it is made for {}", machine_name(header.e_machine));
    }
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
        return "it is not 64-bit little-endian";
    }
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
        return header.e_type == ET_REL ? "it is an object file, not linked yet"
                                       : "it is not an executable";
    }
    if (header.e_phnum == 0 || header.e_phentsize != sizeof(Elf64_Phdr)) {
        return "it has no program headers";
    }
    const std::uint64_t table = std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
    if (header.e_phoff > image.size() || table > image.size() - header.e_phoff) {
        return fmt::format(
            "it is truncated: its program headers lie beyond its {} bytes", image.size()
        );
    }
    return {};
}

std::string segment_defect(std::span<const std::uint8_t> image, const Elf64_Phdr& segment) {
    if (segment.p_offset > image.size() || segment.p_filesz > image.size() - segment.p_offset) {
        return fmt::format(
            "it is truncated: the segment for {:#x} ends beyond its {} bytes",
            segment.p_vaddr,
            image.size()
        );
    }
    if (segment.p_memsz < segment.p_filesz || segment.p_vaddr + segment.p_memsz < segment.p_vaddr) {
        return fmt::format("its segment for {:#x} has an impossible size", segment.p_vaddr);
    }
    return {};
}

std::string overlap_defect(std::vector<Elf64_Phdr> loaded) {
    std::ranges::sort(loaded, {}, &Elf64_Phdr::p_vaddr);
    for (std::size_t i = 1; i < loaded.size(); ++i) {
        if (loaded[i].p_vaddr < loaded[i - 1].p_vaddr + loaded[i - 1].p_memsz) {
            return fmt::format("its segments overlap at {:#x}", loaded[i].p_vaddr);
        }
    }
    return {};
}

/// The file, read once; whatever a path may name, this neither waits nor fills memory.
std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
    const auto cannot = [&path](std::string_view why) {
        return configuration_failure(
            fmt::format("cannot read application {}: {}; {}", path.string(), why, kAccepted)
        );
    };
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        throw cannot(std::strerror(errno));
    }
    struct ::stat stat{};
    std::string_view defect;
    if (::fstat(fd, &stat) != 0) {
        defect = std::strerror(errno);
    } else if (!S_ISREG(stat.st_mode)) {
        defect = S_ISDIR(stat.st_mode) ? "it is a folder" : "it is no regular file";
    } else if (stat.st_size > kMaxSize) {
        defect = "it is larger than 1 GiB";
    }
    std::vector<std::uint8_t> bytes;
    if (defect.empty()) {
        bytes.resize(static_cast<std::size_t>(stat.st_size));
        std::size_t done = 0;
        while (done < bytes.size()) {
            const ssize_t count = ::read(fd, bytes.data() + done, bytes.size() - done);
            if (count == 0 || (count < 0 && errno != EINTR)) {
                defect = count == 0 ? "it shrinks while it is read" : std::strerror(errno);
                break;
            }
            done += count > 0 ? static_cast<std::size_t>(count) : 0;
        }
    }
    ::close(fd);
    if (!defect.empty()) {
        throw cannot(defect);
    }
    return bytes;
}

}  // namespace

std::string application_defect(std::span<const std::uint8_t> image) {
    Elf64_Ehdr header{};
    if (auto defect = header_defect(image, header); !defect.empty()) {
        return defect;
    }
    std::vector<Elf64_Phdr> loaded;
    bool entry_found = false;
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        std::memcpy(&segment, image.data() + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type == PT_INTERP) {
            return "it is linked dynamically";
        }
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0) {
            continue;
        }
        if (auto defect = segment_defect(image, segment); !defect.empty()) {
            return defect;
        }
        entry_found |= (segment.p_flags & PF_X) != 0 && header.e_entry >= segment.p_vaddr
                       && header.e_entry - segment.p_vaddr < segment.p_memsz;
        loaded.push_back(segment);
    }
    if (loaded.empty()) {
        return "it has nothing to load";
    }
    if (auto defect = overlap_defect(std::move(loaded)); !defect.empty()) {
        return defect;
    }
    return entry_found ? "" : "its entry point is in no executable segment";
}

std::vector<std::uint8_t> read_application(const std::filesystem::path& path) {
    auto image = read_file(path);
    if (const auto defect = application_defect(image); !defect.empty()) {
        throw configuration_failure(
            fmt::format("cannot run {}: {}; {}", path.string(), defect, kAccepted)
        );
    }
    return image;
}

}  // namespace tools
