// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary files to the kernel loader (ELF, Image, gzip) and checks what it promises about
// every file that it accepts. The loader is a pure function, so each input starts afresh.
#include "machine/loader/kernel_image.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

namespace {

constexpr vmm::RamRange kRam{{0x80000000}, std::uint64_t{1} << 20};

void require(bool promise) {
    if (!promise) {
        std::abort();
    }
}

/// Reads every byte of the contents, so that the sanitizer sees a span that leads outside.
unsigned touch(std::span<const std::byte> bytes) {
    unsigned sum = 0;
    for (const std::byte byte : bytes) {
        sum += std::to_integer<unsigned>(byte);
    }
    return sum;
}

bool inside_ram(const vmm::KernelSegment& segment) {
    return segment.address >= kRam.base && segment.bytes <= kRam.bytes
           && segment.address.value - kRam.base.value <= kRam.bytes - segment.bytes;
}

bool holds(const vmm::KernelSegment& segment, vmm::GuestPhys address) {
    return address >= segment.address && address.value - segment.address.value < segment.bytes;
}

void check(const vmm::KernelImage& image) {
    require(!image.segments.empty());
    require(image.entry.value % 2 == 0);
    bool entered = false;
    volatile unsigned sum = 0;
    for (const vmm::KernelSegment& segment : image.segments) {
        require(inside_ram(segment));
        require(segment.contents.size() <= segment.bytes);
        require(segment.address + segment.bytes <= image.end);
        entered |= holds(segment, image.entry);
        sum = sum + touch(segment.contents);
    }
    require(entered);
    for (std::size_t i = 0; i < image.segments.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            require(!holds(image.segments[i], image.segments[j].address));
            require(!holds(image.segments[j], image.segments[i].address));
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto file = std::as_bytes(std::span(data, size));
    if (const auto image = vmm::parse_kernel(file, "fuzz", kRam)) {
        check(*image);
    } else {
        require(!image.error().message.empty());
    }
    return 0;
}
