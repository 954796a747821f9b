// SPDX-License-Identifier: Apache-2.0
#include "machine/loader/kernel_image.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace vmm {
namespace {

/// Linux, Documentation/arch/riscv/boot-image-header.rst. Little-endian.
struct ImageHeader {
    std::uint32_t code0;
    std::uint32_t code1;
    std::uint64_t text_offset;  // load address from the start of RAM
    std::uint64_t image_size;   // occupied memory from there, .bss included
    std::uint64_t flags;        // bit 0: kernel is big-endian
    std::uint32_t version;
    std::uint32_t reserved1;
    std::uint64_t reserved2;
    char magic[8];   // "RISCV", deprecated
    char magic2[4];  // "RSC\x05"
    std::uint32_t reserved3;
};
static_assert(sizeof(ImageHeader) == 64);

constexpr std::size_t kMagic2Offset = 0x38;
constexpr char kMagic2[4] = {'R', 'S', 'C', '\x05'};
constexpr std::uint64_t kBigEndian = 1;

bool has_bytes(std::span<const std::byte> file, std::size_t offset, std::span<const char> bytes) {
    return file.size() >= offset + bytes.size()
           && std::memcmp(file.data() + offset, bytes.data(), bytes.size()) == 0;
}

bool is_elf(std::span<const std::byte> file) {
    return has_bytes(file, 0, {{'\x7f', 'E', 'L', 'F'}});
}
bool is_gzip(std::span<const std::byte> file) {
    return has_bytes(file, 0, {{'\x1f', '\x8b'}});
}
bool is_image(std::span<const std::byte> file) {
    return has_bytes(file, kMagic2Offset, kMagic2);
}

Result<KernelImage>
parse_plain(std::span<const std::byte> file, std::string_view name, RamRange ram) {
    if (is_elf(file)) {
        return parse_elf(file, name, ram);
    }
    if (is_image(file)) {
        return parse_image(file, name, ram);
    }
    return fail(
        ErrorKind::configuration,
        fmt::format(
            "kernel {}: its format is unknown; an ELF file or a RISC-V Image, plain or compressed "
            "by "
            "gzip, is accepted",
            name
        )
    );
}

}  // namespace

Result<KernelImage>
parse_image(std::span<const std::byte> file, std::string_view name, RamRange ram) {
    const auto bad = [name](std::string_view what) {
        return fail(
            ErrorKind::configuration,
            fmt::format("kernel {}: {}; a little-endian RISC-V Image is accepted", name, what)
        );
    };
    ImageHeader header;
    if (file.size() < sizeof header) {
        return bad("it is truncated (shorter than an Image header)");
    }
    std::memcpy(&header, file.data(), sizeof header);
    if (std::memcmp(header.magic2, kMagic2, sizeof kMagic2) != 0) {
        return bad("it has no Image header");
    }
    if ((header.flags & kBigEndian) != 0) {
        return bad("it is big-endian");
    }
    if (header.text_offset % kPageSize != 0) {
        return bad(fmt::format("its load offset {:#x} is not made of pages", header.text_offset));
    }
    const std::uint64_t bytes = std::max<std::uint64_t>(header.image_size, file.size());
    if (header.text_offset > ram.bytes || bytes > ram.bytes - header.text_offset) {
        return bad(fmt::format(
            "it takes {} bytes at offset {:#x}, more than the guest's memory of {} bytes",
            bytes,
            header.text_offset,
            ram.bytes
        ));
    }
    const GuestPhys start = ram.base + header.text_offset;
    return KernelImage{start, start + bytes, {{start, bytes, file}}, {}};
}

Result<KernelImage>
parse_kernel(std::span<const std::byte> file, std::string_view name, RamRange ram) {
    if (!is_gzip(file)) {
        return parse_plain(file, name, ram);
    }
    // Whatever is inside must fit RAM, so nothing larger needs to be inflated.
    auto inflated = gunzip(file, name, ram.bytes);
    if (!inflated) {
        return std::unexpected(inflated.error());
    }
    auto image = parse_plain(*inflated, name, ram);
    if (image) {
        image->decompressed = std::move(*inflated);  // The heap block stays where segments point.
    }
    return image;
}

}  // namespace vmm
