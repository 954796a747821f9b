// SPDX-License-Identifier: Apache-2.0
#include "device/device.hpp"

#include <virtio/virtio_ring.h>

namespace virtio_cops {

std::optional<SavedDevice> Device::save() const {
    if (!idle() || resetting_) {
        return std::nullopt;
    }
    SavedDevice saved;
    saved.active = active_;
    saved.broken = broken_;
    saved.features = features_;
    for (std::size_t i = 0; i < queues_.size(); ++i) {
        saved.queues[i] = queues_[i].state();
    }
    for (const GuestPage& board : boards_) {
        saved.boards.push_back(board.address);
    }
    for (const Process& process : processes_) {
        if (process.id == 0) {
            continue;
        }
        SavedDevice::Process& copy = saved.processes.emplace_back();
        copy.id = process.id;
        copy.page = process.page.address;
        copy.lines = process.lines;
        for (const GuestPage& page : process.heads) {
            copy.heads.push_back(page.address);
        }
        for (const GuestPage& page : process.slots) {
            copy.slots.push_back(page.address);
        }
    }
    for (std::uint32_t i = 0; i < handles_.size(); ++i) {
        const Handle& handle = handles_[i];
        if (handle.generation != 0) {
            const bool open = handle.state == Handle::State::open;
            saved.handles.push_back({i, handle.generation, open, handle.description});
        }
    }
    return saved;
}

bool Device::load(const SavedDevice& saved) {
    if (active_ || resetting_ || !accept_saved(saved)) {
        return false;
    }
    if (saved.active) {
        activate(saved.features, saved.queues);
        if (broken_ && !saved.broken) {
            drop_everything();
            return false;
        }
        broken_ = saved.broken;
    }
    if (!load_memory(saved) || !load_handles(saved)) {
        drop_everything();
        return false;
    }
    return true;
}

bool Device::accept_saved(const SavedDevice& saved) const {
    bool fits = saved.boards.size() == boards_.size();
    fits &= saved.active ? accept_features(saved.features) : saved.processes.empty();
    for (const SavedDevice::Handle& handle : saved.handles) {
        fits &= handle.index < handles_.size() && handle.generation <= 0x7fff
                && handle.description.grant < options_.grants.size()
                && (handle.description.open_flags & ~kOpenFlags) == 0;
    }
    return fits;
}

/// Through the same checks as the driver's own commands.
bool Device::load_memory(const SavedDevice& saved) {
    for (std::uint32_t vcpu = 0; vcpu < saved.boards.size(); ++vcpu) {
        const bool set = saved.boards[vcpu] != 0;
        if (set && set_board({vcpu, sizeof(virtio_cops_board), saved.boards[vcpu]}) != 0) {
            return false;
        }
    }
    for (const SavedDevice::Process& process : saved.processes) {
        std::vector<std::uint64_t> pages = process.heads;
        pages.insert(pages.end(), process.slots.begin(), process.slots.end());
        const virtio_cops_ctrl_attach_process command{
            .process = process.id,
            .page = process.page,
            .lines = process.lines,
            .heads_pages = static_cast<std::uint32_t>(process.heads.size()),
            .slot_pages = static_cast<std::uint32_t>(process.slots.size()),
            .reserved = 0,
        };
        if (attach(command, std::as_bytes(std::span(pages))) != 0) {
            return false;
        }
    }
    return true;
}

bool Device::load_handles(const SavedDevice& saved) {
    for (const SavedDevice::Handle& from : saved.handles) {
        Handle& handle = handles_[from.index];
        if (handle.state != Handle::State::free) {
            return false;
        }
        handle.generation = from.generation;
        if (!from.open) {
            continue;
        }
        const HostHandle host = host_.reopen(from.description);
        if (host >= 0) {
            handle.state = Handle::State::open;
            handle.host = host;
            handle.description = from.description;
            std::erase(free_handles_, from.index);
        }
    }
    return true;
}

}  // namespace virtio_cops
