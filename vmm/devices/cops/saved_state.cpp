// SPDX-License-Identifier: Apache-2.0
// The device's saved state as bytes. The core checks what the values mean when it loads them; here
// only the shape is checked.
#include "devices/cops/cops_device.hpp"
#include "memory/state.hpp"

namespace vmm {
namespace {

// More than any device has; keeps a damaged count from taking memory.
constexpr std::uint32_t kMost = 65536;

void put_addresses(StateWriter& out, const std::vector<std::uint64_t>& addresses) {
    out.put(static_cast<std::uint32_t>(addresses.size()));
    for (const std::uint64_t address : addresses) {
        out.put(address);
    }
}

std::vector<std::uint64_t> get_addresses(StateReader& in) {
    std::vector<std::uint64_t> addresses;
    const auto count = in.get_below<std::uint32_t>(kMost);
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
        addresses.push_back(in.get<std::uint64_t>());
    }
    return addresses;
}

void put_queue(StateWriter& out, const virtio_cops::QueueState& queue) {
    out.put(queue.size);
    out.put(queue.desc);
    out.put(queue.avail);
    out.put(queue.used);
    out.put(queue.next_avail);
    out.put(queue.next_used);
}

virtio_cops::QueueState get_queue(StateReader& in) {
    virtio_cops::QueueState queue;
    queue.size = in.get<std::uint32_t>();
    queue.desc = in.get<std::uint64_t>();
    queue.avail = in.get<std::uint64_t>();
    queue.used = in.get<std::uint64_t>();
    queue.next_avail = in.get<std::uint16_t>();
    queue.next_used = in.get<std::uint16_t>();
    return queue;
}

}  // namespace

void put_saved_device(StateWriter& out, const virtio_cops::SavedDevice& saved) {
    out.put(saved.active);
    out.put(saved.broken);
    out.put(saved.features);
    for (const auto& queue : saved.queues) {
        put_queue(out, queue);
    }
    put_addresses(out, saved.boards);
    out.put(static_cast<std::uint32_t>(saved.processes.size()));
    for (const auto& process : saved.processes) {
        out.put(process.id);
        out.put(process.page);
        out.put(process.lines);
        put_addresses(out, process.heads);
        put_addresses(out, process.slots);
    }
    out.put(static_cast<std::uint32_t>(saved.handles.size()));
    for (const auto& handle : saved.handles) {
        out.put(handle.index);
        out.put(handle.generation);
        out.put(handle.open);
        out.put(handle.description.grant);
        out.put(handle.description.open_flags);
        out.put_text(handle.description.path);
    }
}

std::optional<virtio_cops::SavedDevice> get_saved_device(StateReader& in) {
    virtio_cops::SavedDevice saved;
    saved.active = in.get_bool();
    saved.broken = in.get_bool();
    saved.features = in.get<std::uint64_t>();
    for (auto& queue : saved.queues) {
        queue = get_queue(in);
    }
    saved.boards = get_addresses(in);
    const auto processes = in.get_below<std::uint32_t>(kMost);
    for (std::uint32_t i = 0; i < processes && in.ok(); ++i) {
        auto& process = saved.processes.emplace_back();
        process.id = in.get<std::uint64_t>();
        process.page = in.get<std::uint64_t>();
        process.lines = in.get<std::uint32_t>();
        process.heads = get_addresses(in);
        process.slots = get_addresses(in);
    }
    const auto handles = in.get_below<std::uint32_t>(kMost);
    for (std::uint32_t i = 0; i < handles && in.ok(); ++i) {
        auto& handle = saved.handles.emplace_back();
        handle.index = in.get<std::uint32_t>();
        handle.generation = in.get<std::uint32_t>();
        handle.open = in.get_bool();
        handle.description.grant = in.get<std::uint32_t>();
        handle.description.open_flags = in.get<std::uint32_t>();
        handle.description.path = in.get_text();
    }
    if (!in.ok()) {
        return std::nullopt;
    }
    return saved;
}

}  // namespace vmm
