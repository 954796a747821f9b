// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace vmm {

/// One contiguous piece of guest-physical memory backed by host memory.
struct MemoryRegion {
    GuestPhys base;
    std::uint64_t size = 0;      ///< Bytes, a multiple of the page size.
    std::byte* host = nullptr;   ///< Host mapping; handed out by GuestMemory only.
    bool guest_writable = true;  ///< False: guest stores raise an access fault (host pages).
};

/// Tells engines that memory was written by somebody who is not a vCPU (D18): called before the
/// completion of that write is published, from the writing thread.
class WriteObserver {
public:
    virtual void memory_written(GuestPhys address, std::uint64_t bytes) noexcept = 0;

protected:
    ~WriteObserver() = default;
};

/// The guest-physical memory of one machine: RAM on a memfd plus read-only host-owned regions.
/// The only holder of host pointers to it; everybody else asks for a checked range. All accesses to
/// words that the guest may touch at the same time are relaxed atomics of natural size (D18).
class GuestMemory {
public:
    static Result<std::unique_ptr<GuestMemory>> create(GuestPhys ram_base, std::uint64_t ram_bytes);
    ~GuestMemory();
    GuestMemory(const GuestMemory&) = delete;
    GuestMemory& operator=(const GuestMemory&) = delete;

    /// Adds a region that the guest can only read (e.g. the host page). Before the first run only.
    Result<std::span<std::byte>> add_host_region(GuestPhys base, std::uint64_t bytes);

    std::span<const MemoryRegion> regions() const noexcept { return regions_; }
    const MemoryRegion& ram() const noexcept { return regions_.front(); }

    /// Host address of [address, address+bytes) if it lies wholly inside one guest-writable region,
    /// else null.
    std::byte* writable_range(GuestPhys address, std::uint64_t bytes) const noexcept;
    /// The same for reading; host regions included.
    const std::byte* readable_range(GuestPhys address, std::uint64_t bytes) const noexcept;

    /// Copies out of or into guest memory; false (and nothing copied) when the range isn't wholly
    /// inside. write() tells the observers.
    [[nodiscard]] bool read(GuestPhys address, std::span<std::byte> to) const noexcept;
    [[nodiscard]] bool write(GuestPhys address, std::span<const std::byte> from) noexcept;

    /// To be called after a host or device write that did not go through write() (io_uring filled a
    /// buffer) and before its completion is published.
    void note_write(GuestPhys address, std::uint64_t bytes) noexcept;
    /// Before the first run only. The observer outlives this object.
    void add_observer(WriteObserver* observer) { observers_.push_back(observer); }

    /// While no vCPU runs. Every byte of RAM becomes zero and its host pages are given back.
    Result<void> clear_ram() noexcept;

    /// A piece of RAM by offset from its start.
    struct Extent {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };
    /// The first piece at or after `offset` that has host pages behind it; everything between is
    /// zero. `bytes` is 0 when there is no more.
    Extent next_used(std::uint64_t offset) const noexcept;

private:
    GuestMemory() = default;
    std::vector<MemoryRegion> regions_;  // regions_[0] is RAM
    std::vector<WriteObserver*> observers_;
    int memfd_ = -1;
};

}  // namespace vmm
