// SPDX-License-Identifier: Apache-2.0
#include "memory/guest_memory.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

namespace vmm {
namespace {

/// One word of guest memory, read or written as the guest may do it at the same time (D18).
template <class Word>
Word load_relaxed(const std::byte* from) {
    return __atomic_load_n(reinterpret_cast<const Word*>(from), __ATOMIC_RELAXED);
}
template <class Word>
void store_relaxed(std::byte* to, Word value) {
    __atomic_store_n(reinterpret_cast<Word*>(to), value, __ATOMIC_RELAXED);
}

/// Moves one piece of the largest natural size that alignment and length allow; returns its bytes.
/// `move` copies a Word.
template <class Move>
std::size_t step(const std::byte* guest, std::size_t bytes, Move move) {
    const auto fits = [guest, bytes](std::size_t size) {
        return bytes >= size && reinterpret_cast<std::uintptr_t>(guest) % size == 0;
    };
    if (fits(8)) {
        return move(std::uint64_t{});
    }
    if (fits(4)) {
        return move(std::uint32_t{});
    }
    if (fits(2)) {
        return move(std::uint16_t{});
    }
    return move(std::uint8_t{});
}

void copy_out(std::byte* to, const std::byte* from, std::size_t bytes) {
    while (bytes > 0) {
        const std::size_t moved = step(from, bytes, [&]<class Word>(Word word) {
            word = load_relaxed<Word>(from);
            std::memcpy(to, &word, sizeof word);
            return sizeof word;
        });
        to += moved;
        from += moved;
        bytes -= moved;
    }
}

void copy_in(std::byte* to, const std::byte* from, std::size_t bytes) {
    while (bytes > 0) {
        const std::size_t moved = step(to, bytes, [&]<class Word>(Word word) {
            std::memcpy(&word, from, sizeof word);
            store_relaxed(to, word);
            return sizeof word;
        });
        to += moved;
        from += moved;
        bytes -= moved;
    }
}

/// Written so that no sum can wrap.
bool contains(const MemoryRegion& region, GuestPhys address, std::uint64_t bytes) {
    return address >= region.base && bytes <= region.size
           && address.value - region.base.value <= region.size - bytes;
}

bool valid_range(GuestPhys base, std::uint64_t bytes) {
    return bytes != 0 && base.value % kPageSize == 0 && bytes % kPageSize == 0
           && base.value <= std::numeric_limits<std::uint64_t>::max() - bytes;
}

Result<std::byte*> map(std::size_t bytes, int flags, int fd, std::string_view what) {
    void* host = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (host == MAP_FAILED) {
        return fail(
            ErrorKind::unavailable,
            fmt::format("cannot map {} bytes of {}: {}", bytes, what, std::strerror(errno))
        );
    }
    return static_cast<std::byte*>(host);
}

}  // namespace

Result<std::unique_ptr<GuestMemory>>
GuestMemory::create(GuestPhys ram_base, std::uint64_t ram_bytes) {
    if (!valid_range(ram_base, ram_bytes)) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "guest memory of {} bytes at {:#x} is not possible; give a multiple of 4096 that "
                "fits "
                "the address space",
                ram_bytes,
                ram_base.value
            )
        );
    }
    // The kernel's loff_t is signed.
    if (ram_bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return fail(
            ErrorKind::unavailable,
            fmt::format("guest memory of {} bytes is more than this host can address", ram_bytes)
        );
    }
    std::unique_ptr<GuestMemory> memory(new GuestMemory);
    memory->memfd_ = ::memfd_create("cops-guest-ram", MFD_CLOEXEC);
    if (memory->memfd_ < 0) {
        return fail(
            ErrorKind::unavailable,
            fmt::format("cannot make a memfd for guest memory: {}", std::strerror(errno))
        );
    }
    if (::ftruncate(memory->memfd_, static_cast<off_t>(ram_bytes)) != 0) {
        return fail(
            ErrorKind::unavailable,
            fmt::format("cannot size guest memory to {} bytes: {}", ram_bytes, std::strerror(errno))
        );
    }
    // Pages come when the guest first touches them; a guest may be given more than the host has
    // free.
    const auto host = map(ram_bytes, MAP_SHARED | MAP_NORESERVE, memory->memfd_, "guest memory");
    if (!host) {
        return std::unexpected(host.error());
    }
    memory->regions_.push_back({ram_base, ram_bytes, *host, true});
    return memory;
}

GuestMemory::~GuestMemory() {
    for (const MemoryRegion& region : regions_) {
        ::munmap(region.host, region.size);
    }
    if (memfd_ >= 0) {
        ::close(memfd_);
    }
}

Result<std::span<std::byte>> GuestMemory::add_host_region(GuestPhys base, std::uint64_t bytes) {
    if (!valid_range(base, bytes)) {
        return fail(
            ErrorKind::internal,
            fmt::format("host region of {} bytes at {:#x} is not made of pages", bytes, base.value)
        );
    }
    for (const MemoryRegion& region : regions_) {
        if (base.value < region.base.value + region.size
            && region.base.value < base.value + bytes) {
            return fail(
                ErrorKind::internal,
                fmt::format(
                    "host region at {:#x} overlaps memory at {:#x}", base.value, region.base.value
                )
            );
        }
    }
    const auto host = map(bytes, MAP_SHARED | MAP_ANONYMOUS, -1, "host-owned guest memory");
    if (!host) {
        return std::unexpected(host.error());
    }
    regions_.push_back({base, bytes, *host, false});
    return std::span(*host, bytes);
}

const std::byte*
GuestMemory::readable_range(GuestPhys address, std::uint64_t bytes) const noexcept {
    for (const MemoryRegion& region : regions_) {
        if (contains(region, address, bytes)) {
            return region.host + (address.value - region.base.value);
        }
    }
    return nullptr;
}

std::byte* GuestMemory::writable_range(GuestPhys address, std::uint64_t bytes) const noexcept {
    for (const MemoryRegion& region : regions_) {
        if (region.guest_writable && contains(region, address, bytes)) {
            return region.host + (address.value - region.base.value);
        }
    }
    return nullptr;
}

bool GuestMemory::read(GuestPhys address, std::span<std::byte> to) const noexcept {
    const std::byte* from = readable_range(address, to.size());
    if (from == nullptr) {
        return false;
    }
    copy_out(to.data(), from, to.size());
    return true;
}

bool GuestMemory::write(GuestPhys address, std::span<const std::byte> from) noexcept {
    std::byte* to = writable_range(address, from.size());
    if (to == nullptr) {
        return false;
    }
    copy_in(to, from.data(), from.size());
    note_write(address, from.size());
    return true;
}

void GuestMemory::note_write(GuestPhys address, std::uint64_t bytes) noexcept {
    for (WriteObserver* observer : observers_) {
        observer->memory_written(address, bytes);
    }
}

Result<void> GuestMemory::clear_ram() noexcept {
    const MemoryRegion& region = ram();
    if (::fallocate(
            memfd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(region.size)
        )
        != 0) {
        return fail(
            ErrorKind::unavailable,
            fmt::format("cannot give guest memory back to the host: {}", std::strerror(errno))
        );
    }
    note_write(region.base, region.size);
    return {};
}

GuestMemory::Extent GuestMemory::next_used(std::uint64_t offset) const noexcept {
    const std::uint64_t size = ram().size;
    const off_t data = ::lseek(memfd_, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0) {
        return {size, 0};
    }
    const off_t hole = ::lseek(memfd_, data, SEEK_HOLE);
    const std::uint64_t start = static_cast<std::uint64_t>(data);
    const std::uint64_t end = hole < 0 ? size : static_cast<std::uint64_t>(hole);
    return {start, end - start};
}

}  // namespace vmm
