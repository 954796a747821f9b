// SPDX-License-Identifier: Apache-2.0
#include "device/access.hpp"
#include "device/device.hpp"

#include <algorithm>
#include <cerrno>

namespace virtio_cops {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kMaxLines = kPage / sizeof(virtio_cops_line);

std::uint64_t total(std::span<const Buffer> buffers) {
    std::uint64_t bytes = 0;
    for (const Buffer& buffer : buffers) {
        bytes += buffer.bytes;
    }
    return bytes;
}

template <class T>
std::span<const std::byte> tail(std::span<const std::byte> bytes, T& head) {
    std::memcpy(&head, bytes.data(), sizeof head);
    return bytes.subspan(sizeof head);
}

}  // namespace

/// SPEC.md section 5.
void Device::take_command(const Chain& chain) {
    if (std::ranges::find(control_busy_, chain.head) != control_busy_.end()) {
        break_ring("control command uses a descriptor that is in flight");
        return;
    }
    // Nowhere to answer to is a broken ring; everything else gets its answer.
    if (!write_buffers(chain.writable, bytes_of(virtio_cops_ctrl_status{}))) {
        break_ring("control command without a status that can be written");
        return;
    }
    std::vector<std::byte> reply;
    bool deferred = false;
    const Errno status = run_command(chain, reply, deferred);
    if (status != 0) {
        ++misuse_.bad_commands;
    }
    if (!deferred) {
        answer(chain.head, chain.writable, status, reply);
    }
}

Device::Errno
Device::run_command(const Chain& chain, std::vector<std::byte>& reply, bool& deferred) {
    // The longest command: ATTACH_PROCESS with as many pages as it may have.
    const std::uint64_t longest = sizeof(virtio_cops_ctrl_hdr)
                                  + sizeof(virtio_cops_ctrl_attach_process)
                                  + 8
                                        * (kMaxLines / VIRTIO_COPS_HEADS_PER_PAGE
                                           + options_.max_slots / VIRTIO_COPS_SLOTS_PER_PAGE);
    std::vector<std::byte> bytes(std::min(total(chain.readable), longest));
    if (!read_buffers(chain.readable, 0, bytes)) {
        return EFAULT;
    }
    virtio_cops_ctrl_hdr header{};
    if (bytes.size() < sizeof header) {
        return EINVAL;
    }
    const std::span<const std::byte> payload = tail(bytes, header);
    const auto as = [payload]<class T>(T& command, auto run) -> Errno {
        return payload.size() < sizeof command ? EINVAL : run(tail(payload, command));
    };
    virtio_cops_ctrl_set_board board;
    virtio_cops_ctrl_attach_process process;
    virtio_cops_ctrl_detach_process leaving;
    virtio_cops_ctrl_cancel victim;
    virtio_cops_ctrl_set_level moved;
    virtio_cops_ctrl_alloc_cpu cores;
    virtio_cops_ctrl_get_grant grant;
    switch (header.command) {
    case VIRTIO_COPS_CTRL_SET_BOARD:
        return as(board, [&](auto) { return set_board(board); });
    case VIRTIO_COPS_CTRL_ATTACH_PROCESS:
        return as(process, [&](auto pages) { return attach(process, pages); });
    case VIRTIO_COPS_CTRL_DETACH_PROCESS:
        return as(leaving, [&](auto) { return detach(chain, leaving, deferred); });
    case VIRTIO_COPS_CTRL_CANCEL:
        return as(victim, [&](auto) { return cancel(victim); });
    case VIRTIO_COPS_CTRL_SET_LEVEL:
        return as(moved, [&](auto) { return set_level(moved); });
    case VIRTIO_COPS_CTRL_ALLOC_CPU:
        return as(cores, [&](auto) { return alloc_cpu(cores); });
    case VIRTIO_COPS_CTRL_GET_GRANT:
        return as(grant, [&](auto) {
            const bool room = total(chain.writable)
                              >= sizeof(virtio_cops_ctrl_status) + sizeof(virtio_cops_ctrl_grant);
            return room ? get_grant(grant, reply) : Errno{EINVAL};
        });
    default:
        return EOPNOTSUPP;
    }
}

void Device::answer(
    std::uint16_t head, std::span<const Buffer> to, Errno status, std::span<const std::byte> reply
) {
    std::vector<std::byte> bytes(sizeof(virtio_cops_ctrl_status));
    const virtio_cops_ctrl_status value{static_cast<std::uint32_t>(status), 0};
    std::memcpy(bytes.data(), &value, sizeof value);
    if (status == 0) {
        bytes.insert(bytes.end(), reply.begin(), reply.end());
    }
    Queue& queue = queues_[VIRTIO_COPS_QUEUE_CONTROL];
    const bool written = write_buffers(to, bytes);
    if (!written && status == 0) {
        // The reply does not fit in memory; the status does (take_command tried it).
        answer(head, to, EFAULT, {});
        return;
    }
    queue.put_used(head, static_cast<std::uint32_t>(bytes.size()));
    if (queue.wants_interrupt()) {
        host_.raise_used_interrupt(kNoLevel);
    }
}

Device::Errno Device::set_board(const virtio_cops_ctrl_set_board& command) {
    if ((features_ >> VIRTIO_COPS_F_BOARD & 1) == 0) {
        return EOPNOTSUPP;
    }
    if (command.vcpu >= boards_.size()) {
        return EINVAL;
    }
    if (command.address == 0) {
        boards_[command.vcpu] = {};
        return 0;
    }
    if (command.size < sizeof(virtio_cops_board)
        || command.address % sizeof(virtio_cops_board) != 0) {
        return EINVAL;
    }
    std::byte* const at = memory_.writable(command.address, sizeof(virtio_cops_board));
    if (at == nullptr) {
        return EFAULT;
    }
    boards_[command.vcpu] = {command.address, at};
    return 0;
}

Device::Errno
Device::map_pages(std::span<const std::uint64_t> addresses, std::vector<GuestPage>& pages) {
    pages.reserve(addresses.size());
    for (const std::uint64_t address : addresses) {
        if (address % kPage != 0) {
            return EINVAL;
        }
        std::byte* const at = memory_.writable(address, kPage);
        if (at == nullptr) {
            return EFAULT;
        }
        pages.push_back({address, at});
    }
    return 0;
}

Device::Errno
Device::attach(const virtio_cops_ctrl_attach_process& command, std::span<const std::byte> list) {
    const auto index = static_cast<std::uint32_t>(command.process);
    const std::uint32_t most_lines = std::min(options_.num_vcpus, kMaxLines);
    const std::uint32_t heads_pages =
        (command.lines + VIRTIO_COPS_HEADS_PER_PAGE - 1) / VIRTIO_COPS_HEADS_PER_PAGE;
    if (index >= processes_.size() || command.process >> 32 == 0 || command.lines == 0
        || command.lines > most_lines || command.heads_pages != heads_pages
        || command.slot_pages > options_.max_slots / VIRTIO_COPS_SLOTS_PER_PAGE
        || list.size() < 8 * (std::size_t{heads_pages} + command.slot_pages)) {
        return EINVAL;
    }
    Process& place = processes_[index];
    if (place.id != 0) {
        return place.id == command.process ? EEXIST : EBUSY;
    }
    std::vector<std::uint64_t> addresses(heads_pages + command.slot_pages);
    std::memcpy(addresses.data(), list.data(), addresses.size() * 8);
    const std::span all(addresses);

    Process process;
    process.id = command.process;
    process.lines = command.lines;
    std::vector<GuestPage> page;
    if (const Errno error = map_pages(std::span(&command.page, 1), page); error != 0) {
        return error;
    }
    process.page = page.front();
    if (const Errno error = map_pages(all.first(heads_pages), process.heads); error != 0) {
        return error;
    }
    if (const Errno error = map_pages(all.subspan(heads_pages), process.slots); error != 0) {
        return error;
    }
    place = std::move(process);
    return 0;
}

/// Nothing of the process is taken from here on; what was taken is ended early. The answer comes
/// with the last of it (finish_detach()).
Device::Errno
Device::detach(const Chain& chain, const virtio_cops_ctrl_detach_process& command, bool& deferred) {
    Process* const process = find_process(command.process);
    if (process == nullptr) {
        const auto index = static_cast<std::uint32_t>(command.process);
        const bool leaving = index < processes_.size() && command.process != 0
                             && processes_[index].id == command.process;
        return leaving ? EBUSY : ESRCH;
    }
    deferred = true;
    process->detaching = true;
    process->detach_head = chain.head;
    process->detach_reply.assign(chain.writable.begin(), chain.writable.end());
    control_busy_.push_back(chain.head);

    ++process->requests;  // Holds the process while its requests are walked.
    for (Request& request : requests_) {
        if (!request.counts_process || request.header.process != process->id) {
            continue;
        }
        if (request.state == Request::State::pending) {
            cancel_pending(request);
        } else if (request.state == Request::State::started) {
            host_.cancel(request.token);
        }
    }
    if (--process->requests == 0) {
        finish_detach(*process);
    }
    return 0;
}

void Device::finish_detach(Process& process) {
    const std::uint16_t head = process.detach_head;
    const std::vector<Buffer> reply = std::move(process.detach_reply);
    process = {};
    std::erase(control_busy_, head);
    answer(head, reply, 0, {});
}

Device::Errno Device::cancel(const virtio_cops_ctrl_cancel& command) {
    Request* const request = find_request(command.request_id);
    if (request == nullptr) {
        return ENOENT;
    }
    if (request->state == Request::State::pending) {
        cancel_pending(*request);
    } else {
        host_.cancel(request->token);
    }
    return 0;
}

Device::Errno Device::set_level(const virtio_cops_ctrl_set_level& command) {
    if (command.level >= kLevels) {
        return EINVAL;
    }
    Request* const request = find_request(command.request_id);
    if (request == nullptr) {
        return ENOENT;
    }
    const bool pending = request->state == Request::State::pending;
    if (pending) {
        pending_.remove(requests_, request->head);
    }
    request->level = static_cast<Level>(command.level);
    if (pending) {
        pending_.push(requests_, request->head);
    }
    return 0;
}

Device::Errno
Device::get_grant(const virtio_cops_ctrl_get_grant& command, std::vector<std::byte>& reply) const {
    if (command.index >= options_.grants.size()) {
        return ENOENT;
    }
    const GrantInfo& grant = options_.grants[command.index];
    virtio_cops_ctrl_grant value{};
    value.kind = grant.directory ? VIRTIO_COPS_GRANT_DIR : VIRTIO_COPS_GRANT_FILE;
    value.flags = grant.writable ? VIRTIO_COPS_GRANT_F_WRITE : 0;
    const std::size_t length = std::min(grant.name.size(), sizeof value.name - 1);
    std::memcpy(value.name, grant.name.data(), length);
    const auto bytes = bytes_of(value);
    reply.assign(bytes.begin(), bytes.end());
    return 0;
}

}  // namespace virtio_cops
