// SPDX-License-Identifier: Apache-2.0
// The part of Machine that fills its memory at boot: kernel, initrd, device tree.
#include "io/seeded.hpp"
#include "machine/device_tree.hpp"
#include "machine/hart.hpp"
#include "machine/loader/file.hpp"
#include "machine/loader/kernel_image.hpp"
#include "machine/loader/placement.hpp"
#include "machine/machine.hpp"
#include "machine/platform.hpp"

#include <fmt/format.h>

#include <sys/random.h>

namespace vmm {
namespace {

/// Archives that are put one behind the other start at multiples of this (newc cpio).
constexpr std::size_t kArchiveAlignment = 4;

void append_archive(std::vector<std::byte>& to, std::span<const std::byte> archive) {
    to.resize((to.size() + kArchiveAlignment - 1) / kArchiveAlignment * kArchiveAlignment);
    to.insert(to.end(), archive.begin(), archive.end());
}

std::array<std::byte, 32> make_seed(bool virtual_time, std::uint64_t run_seed) {
    std::array<std::byte, 32> seed{};
    if (virtual_time) {
        // A run in virtual time is to be repeatable.
        for (std::size_t i = 0; i < seed.size(); ++i) {
            seed[i] = static_cast<std::byte>(io::seeded(run_seed, i));
        }
    } else if (::getrandom(seed.data(), seed.size(), 0) != static_cast<ssize_t>(seed.size())) {
        // The guest has other sources; a constant seed would only pretend to be random.
        seed.fill(std::byte{0});
    }
    return seed;
}

}  // namespace

Result<std::vector<std::byte>> Machine::collect_initrd() const {
    std::vector<std::byte> all;
    append_archive(all, std::as_bytes(std::span(config_.initrd_bytes)));
    for (const std::string& path : config_.initrds) {
        const auto file = read_whole_file(path, "initrd");
        if (!file) {
            return std::unexpected(file.error());
        }
        append_archive(all, *file);
    }
    return all;
}

DeviceTreeSpec Machine::describe(const Placement& placement) const {
    DeviceTreeSpec spec{
        .cpus = config_.cpus,
        .memory_bytes = config_.memory_bytes,
        .timebase_hz = config_.timebase_hz,
        .user_interrupts = config_.user_interrupts && harts_[0]->vcpu().has_user_interrupts(),
        .cmdline = config_.cmdline,
        .initrd = placement.initrd,
        .initrd_bytes = placement.initrd_bytes,
        .rng_seed = make_seed(clock_.is_virtual(), config_.seed),
    };
    for (unsigned slot = 0; slot < kVirtioSlots; ++slot) {
        if (platform_->virtio[slot] != nullptr) {
            spec.virtio_slots.push_back(slot);
        }
    }
    return spec;
}

Result<void> Machine::write_images(
    const KernelImage& kernel, std::span<const std::byte> initrd, const Placement& placement
) {
    bool fits = memory_->write(placement.initrd, initrd)
                && memory_->write(placement.device_tree, device_tree_);
    // RAM is all zeros before: what a segment does not contain needs no writing.
    for (const KernelSegment& segment : kernel.segments) {
        fits = fits && memory_->write(segment.address, segment.contents);
    }
    if (!fits) {
        return fail(ErrorKind::internal, "an image was placed outside of guest memory");
    }
    return {};
}

Result<void> Machine::load_images() {
    const RamRange ram{memory_->ram().base, memory_->ram().size};
    std::vector<std::byte> file;
    if (!config_.kernel.empty()) {
        auto read = read_whole_file(config_.kernel, "kernel");
        if (!read) {
            return std::unexpected(read.error());
        }
        file = std::move(*read);
    }
    const auto bytes =
        config_.kernel.empty() ? std::as_bytes(std::span(config_.kernel_bytes)) : std::span(file);
    const auto kernel = parse_kernel(bytes, config_.kernel.empty() ? "image" : config_.kernel, ram);
    if (!kernel) {
        return std::unexpected(kernel.error());
    }
    const auto initrd = collect_initrd();
    if (!initrd) {
        return std::unexpected(initrd.error());
    }
    const auto placement = place(ram, kernel->end, initrd->size());
    if (!placement) {
        return std::unexpected(placement.error());
    }
    auto tree = build_device_tree(describe(*placement), kDeviceTreeRoom);
    if (!tree) {
        return std::unexpected(tree.error());
    }
    device_tree_ = std::move(*tree);
    if (!config_.dump_dtb.empty()) {
        if (const auto dumped =
                write_whole_file(config_.dump_dtb, "device tree file", device_tree_);
            !dumped) {
            return dumped;
        }
        config_.dump_dtb.clear();  // of the first boot only
    }
    if (const auto written = write_images(*kernel, *initrd, *placement); !written) {
        return written;
    }
    harts_[0]->request_start(kernel->entry, placement->device_tree.value);
    return {};
}

}  // namespace vmm
