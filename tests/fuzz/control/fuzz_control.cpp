// SPDX-License-Identifier: Apache-2.0
// The bytes of control commands against the device, with requests of two processes under way. Each
// command is built with valid fields first and then bent by input bytes, so that the deep checks
// are reached from an empty corpus.
#include "fuzz_device.hpp"

namespace virtio_cops::fuzz {
namespace {

constexpr std::uint64_t kMessage = Machine::kScratch;
constexpr std::uint64_t kReply = Machine::kScratch + 0x1000;
constexpr std::uint64_t kRequest = Machine::kScratch + 0x2000;

template <class T>
void append(std::vector<std::uint8_t>& bytes, const T& value) {
    const auto* const from = reinterpret_cast<const std::uint8_t*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof value);
}

std::uint64_t process_id(Input& in) {
    const auto choice = in.take<std::uint8_t>();
    return VIRTIO_COPS_PROCESS(choice % 3u, (choice >> 2) % 3u);
}

/// A command as an honest driver would send it.
std::vector<std::uint8_t> command(Input& in) {
    const std::uint32_t code = in.take<std::uint8_t>() % 8;
    std::vector<std::uint8_t> bytes;
    append(bytes, virtio_cops_ctrl_hdr{code, 0});
    const std::uint64_t page = Ram::kBase + Machine::kProcess;
    switch (code) {
    case VIRTIO_COPS_CTRL_SET_BOARD:
        append(
            bytes,
            virtio_cops_ctrl_set_board{
                in.take<std::uint8_t>() % 3u, 64, Ram::kBase + Machine::kBoard
            }
        );
        break;
    case VIRTIO_COPS_CTRL_ATTACH_PROCESS:
        append(bytes, virtio_cops_ctrl_attach_process{process_id(in), page, 2, 1, 1, 0});
        append(bytes, page + 4096);
        append(bytes, page + 2 * 4096);
        break;
    case VIRTIO_COPS_CTRL_DETACH_PROCESS:
        append(bytes, process_id(in));
        break;
    case VIRTIO_COPS_CTRL_CANCEL:
        append(bytes, std::uint64_t{in.take<std::uint8_t>()});
        break;
    case VIRTIO_COPS_CTRL_SET_LEVEL: {
        const virtio_cops_ctrl_set_level payload{
            in.take<std::uint8_t>(), in.take<std::uint8_t>() % 66u, 0
        };
        append(bytes, payload);
        break;
    }
    default:
        append(bytes, std::uint64_t{in.take<std::uint8_t>() % 3u});
        break;
    }
    return bytes;
}

void send_command(Machine& machine, Input& in) {
    std::vector<std::uint8_t> bytes = command(in);
    const auto bend = in.take<std::uint8_t>();
    if (bend < 64) {
        bytes[in.take<std::uint8_t>() % bytes.size()] ^= in.take<std::uint8_t>();
    } else if (bend < 80) {
        bytes.resize(in.take<std::uint8_t>() % (bytes.size() + 1));
    } else if (bend < 96) {
        const auto raw = in.take_bytes(64);
        bytes.assign(raw.begin(), raw.end());
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        machine.ram.put(kMessage + i, bytes[i]);
    }
    const std::uint16_t head = in.take<std::uint8_t>() % (Machine::kControlSize / 2) * 2;
    const auto second = static_cast<std::uint16_t>(head + 1);
    const std::uint32_t room = bend < 250 ? 8 + sizeof(virtio_cops_ctrl_grant) : bend - 250;
    const auto length = static_cast<std::uint32_t>(bytes.size());
    machine.ram.put(
        Machine::desc(0) + head * sizeof(vring_desc),
        vring_desc{Ram::kBase + kMessage, length, VRING_DESC_F_NEXT, second}
    );
    machine.ram.put(
        Machine::desc(0) + second * sizeof(vring_desc),
        vring_desc{Ram::kBase + kReply + head * 128u, room, VRING_DESC_F_WRITE, 0}
    );
    machine.offer(0, head);
    machine.device.notify(0);
}

/// A sleep of some process, so that CANCEL, SET_LEVEL and DETACH have something to act on.
void send_request(Machine& machine, Input& in) {
    const std::uint16_t head = in.take<std::uint8_t>() % (Machine::kRequestSize / 2) * 2;
    const auto second = static_cast<std::uint16_t>(head + 1);
    const std::uint64_t at = kRequest + head * 64u;
    virtio_cops_req header{};
    header.opcode = VIRTIO_COPS_OP_NANOSLEEP;
    header.flags = VIRTIO_COPS_REQ_F_SLOT;
    header.level = in.take<std::uint8_t>() % 64;
    header.request_id = in.take<std::uint8_t>();
    header.process = process_id(in);
    header.slot = in.take<std::uint8_t>() % 128;
    machine.ram.put(at, header);
    machine.ram.put(
        Machine::desc(1) + head * sizeof(vring_desc),
        vring_desc{Ram::kBase + at, 64, VRING_DESC_F_NEXT, second}
    );
    machine.ram.put(
        Machine::desc(1) + second * sizeof(vring_desc),
        vring_desc{Ram::kBase + at + 64, 16, VRING_DESC_F_WRITE, 0}
    );
    machine.offer(1, head);
    machine.device.notify(1);
}

}  // namespace
}  // namespace virtio_cops::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace virtio_cops::fuzz;
    Input in(data, size);
    Machine machine;
    for (int steps = 0; steps < 500 && !in.empty(); ++steps) {
        switch (in.take<std::uint8_t>() % 8) {
        case 0:
        case 1:
        case 2:
        case 3:
            send_command(machine, in);
            break;
        case 4:
        case 5:
            send_request(machine, in);
            break;
        case 6:
            machine.complete(
                in.take<std::uint8_t>(), in.take<std::uint8_t>() < 128 ? 0 : -ECANCELED
            );
            break;
        default:
            if (machine.host.needs_reset || in.take<std::uint8_t>() < 8) {
                machine.reset();
                machine.activate();
            }
            break;
        }
        machine.check();
    }
    return 0;
}
