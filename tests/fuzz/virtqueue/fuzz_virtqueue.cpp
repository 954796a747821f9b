// SPDX-License-Identifier: Apache-2.0
// Random rings, descriptors and requests against the device. Inputs are programs of a driver that
// knows the layout: most of what it makes is nearly right, so that the deep checks are reached from
// an empty corpus.
#include "fuzz_device.hpp"

namespace virtio_cops::fuzz {
namespace {

constexpr unsigned kRequests = VIRTIO_COPS_QUEUE_REQUEST;

/// An address: mostly inside the scratch area, sometimes anywhere.
std::uint64_t address(Input& in) {
    const auto choice = in.take<std::uint8_t>();
    if (choice == 0xff) {
        return in.take<std::uint64_t>();
    }
    const std::uint64_t offset = in.take<std::uint16_t>();
    return Ram::kBase + (choice < 0xe0 ? Machine::kScratch + offset % 0xa000 : offset);
}

/// A request that would be served: header, some data, status, in one chain from `head` on, direct
/// or through an indirect table.
void make_request(Machine& machine, Input& in) {
    const std::uint16_t head = in.take<std::uint8_t>() % Machine::kRequestSize;
    const auto shape = in.take<std::uint8_t>();
    const std::uint64_t at = Machine::kScratch + head * 0x200u;
    virtio_cops_req header{};
    header.opcode = in.take<std::uint8_t>() % 10;
    header.flags = shape & 1;
    header.level = in.take<std::uint8_t>() % 66;
    header.request_id = in.take<std::uint8_t>();
    header.process = (shape & 2) != 0 ? VIRTIO_COPS_PROCESS(0u, 1u) : 0;
    header.handle = in.take<std::uint8_t>() % 4 | (1u << 16);
    if (header.opcode == VIRTIO_COPS_OP_OPENAT) {
        header.handle = in.take<std::uint8_t>() % 3;
        header.open_flags = in.take<std::uint8_t>() % 4;
    }
    header.hart = in.take<std::uint8_t>() % 3;
    header.slot = in.take<std::uint8_t>();
    header.offset = in.take<std::uint16_t>();
    machine.ram.put(at, header);

    const bool to_guest = header.opcode == VIRTIO_COPS_OP_READ
                          || header.opcode == VIRTIO_COPS_OP_FSTAT
                          || header.opcode == VIRTIO_COPS_OP_GETDENTS;
    std::vector<vring_desc> chain{{Ram::kBase + at, 64, VRING_DESC_F_NEXT, 0}};
    for (unsigned i = 0; i < (shape >> 2 & 7u); ++i) {
        const std::uint16_t flags =
            to_guest ? VRING_DESC_F_NEXT | VRING_DESC_F_WRITE : VRING_DESC_F_NEXT;
        chain.push_back({address(in), in.take<std::uint8_t>(), flags, 0});
    }
    chain.push_back({Ram::kBase + at + 64, 16, VRING_DESC_F_WRITE, 0});
    if ((shape & 0x80) != 0) {
        for (std::uint16_t i = 0; i < chain.size(); ++i) {
            chain[i].next = static_cast<std::uint16_t>(i + 1);
            machine.ram.put(at + 128 + i * sizeof(vring_desc), chain[i]);
        }
        const auto bytes = static_cast<std::uint32_t>(chain.size() * sizeof(vring_desc));
        const vring_desc table{Ram::kBase + at + 128, bytes, VRING_DESC_F_INDIRECT, 0};
        machine.ram.put(Machine::desc(kRequests) + head * sizeof(vring_desc), table);
    } else {
        for (std::uint16_t i = 0; i < chain.size(); ++i) {
            chain[i].next = static_cast<std::uint16_t>((head + i + 1) % Machine::kRequestSize);
            const std::uint64_t index = (head + i) % Machine::kRequestSize;
            machine.ram.put(Machine::desc(kRequests) + index * sizeof(vring_desc), chain[i]);
        }
    }
    machine.offer(kRequests, head);
}

void attach(Machine& machine) {
    const std::uint64_t at = Machine::kScratch;
    struct {
        virtio_cops_ctrl_hdr header{VIRTIO_COPS_CTRL_ATTACH_PROCESS, 0};
        virtio_cops_ctrl_attach_process process{
            VIRTIO_COPS_PROCESS(0u, 1u), Ram::kBase + Machine::kProcess, 2, 1, 1, 0
        };
        std::uint64_t heads = Ram::kBase + Machine::kProcess + 4096;
        std::uint64_t slots = Ram::kBase + Machine::kProcess + 2 * 4096;
    } const message;
    machine.ram.put(at, message);
    const vring_desc to{Ram::kBase + at, sizeof message, VRING_DESC_F_NEXT, 1};
    const vring_desc from{Ram::kBase + at + 256, 8, VRING_DESC_F_WRITE, 0};
    machine.ram.put(Machine::desc(0), to);
    machine.ram.put(Machine::desc(0) + sizeof(vring_desc), from);
    machine.offer(0, 0);
    machine.device.notify(0);
}

void step(Machine& machine, Input& in) {
    switch (in.take<std::uint8_t>() % 12) {
    case 0:
    case 1:
    case 2:
        make_request(machine, in);
        break;
    case 3:
        machine.device.notify(kRequests);
        break;
    case 4:
    case 5:
        machine.complete(
            in.take<std::uint8_t>(), static_cast<std::int8_t>(in.take<std::uint8_t>())
        );
        break;
    case 6: {  // any descriptor
        const std::uint64_t index = in.take<std::uint8_t>() % Machine::kRequestSize;
        const std::uint64_t addr = address(in);
        const vring_desc desc{
            addr,
            in.take<std::uint16_t>(),
            static_cast<std::uint16_t>(in.take<std::uint8_t>() & 7u),
            static_cast<std::uint16_t>(in.take<std::uint8_t>() % 20),
        };
        machine.ram.put(Machine::desc(kRequests) + index * sizeof desc, desc);
        break;
    }
    case 7:
        machine.offer(kRequests, in.take<std::uint8_t>() % 20);
        break;
    case 8:  // any word anywhere
        machine.ram.put(in.take<std::uint16_t>() & 0xfff8u, in.take<std::uint64_t>());
        break;
    case 9:
        machine.device.notify(in.take<std::uint8_t>() % 3);
        break;
    case 10:
        attach(machine);
        break;
    default:
        if (in.take<std::uint8_t>() < 32) {
            machine.reset();
            machine.activate();
        }
        break;
    }
}

}  // namespace
}  // namespace virtio_cops::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace virtio_cops::fuzz;
    Input in(data, size);
    Machine machine;
    attach(machine);
    for (int steps = 0; steps < 500 && !in.empty(); ++steps) {
        step(machine, in);
        machine.check();
    }
    return 0;
}
