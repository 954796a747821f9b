// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"
#include "base/list.hpp"
#include "driver/control_queue.hpp"
#include "driver/request_queue.hpp"
#include "drivers/device_tree.hpp"
#include "exec/coroutine.hpp"

#include <virtio_cops/virtio_cops.h>

#include <cstdint>
#include <span>

namespace kernel {

struct Process;
struct Operation;
class File;

/// The virtio-cops device: boards, grants, requests to the host.
namespace cops_device {

/// A request on its way: made by make_request(), the driver's from submit() to its completion.
struct Request {
    Link<Request> link;        // waiting for the ring
    Link<Request> owner_link;  // Process::requests
    virtio_cops_req header{};
    virtio_cops::Direction direction = virtio_cops::Direction::to_device;
    bool pinned = false;  // segments hold pins
    bool in_ring = false;
    bool cancelled = false;  // a CANCEL was sent by drain()
    Process* owner = nullptr;
    File* file = nullptr;  // kept open
    Operation* operation = nullptr;
    cops_task_id task = 0;  // signalled with the result; 0 = nobody
    std::uint64_t request_id = 0;
    unsigned count = 0;
    virtio_cops::Segment* segments = nullptr;  // behind the object
};

/// Looks for the device, negotiates and starts it. False: there is none (or it is unusable).
bool init(const Platform& platform);
bool present();
const virtio_cops_config& config();
bool has_boards();
bool has_user_interrupts();
bool has_siblings();
/// Harts that are the guest's for good; the others are granted and revoked.
unsigned own_harts();
PhysAddr host_page();
PhysAddr doorbell_page();
/// Most data segments of one request.
unsigned max_segments();

/// Null when memory is short.
Request* make_request(std::span<const virtio_cops::Segment> segments);
/// A request that will not be submitted after all.
void drop(Request* request);
/// Queues the request, most urgent first; it goes out with the next kick().
void submit(Request& request);
/// Puts waiting requests into the ring and tells the device.
void kick();

/// Takes what the device has completed. Requests with slots raise an interrupt only when the kernel
/// has to wake somebody: so it is the kernel that looks, at ticks and before it fills or leaves the
/// ring.
void poll();

/// Submits for an operation (null = for the kernel itself) and awaits the result. The data stays
/// the caller's; nothing is pinned.
Async<std::int64_t> transfer(
    Operation* operation,
    virtio_cops_req header,
    virtio_cops::Direction direction,
    virtio_cops::Segment segment
);
/// The same for a request that was made already.
Async<std::int64_t> await_request(Operation* operation, Request* request);

/// Cancels a request with a slot. no_entry: none such in flight; again: ask later.
Result<void> cancel_slot(Process& process, std::uint32_t slot, std::uint32_t generation);
Result<void>
set_slot_level(Process& process, std::uint32_t slot, std::uint32_t generation, std::uint32_t level);
/// Cancels what the operation awaits of the device, if anything. False: the control queue is full;
/// ask again.
bool cancel_operation(Operation& operation);
/// Cancels every request of the process and returns when none is left.
Async<void> drain(Process& process);

/// Control commands; the device's status (0 or errno).
Async<std::uint32_t> attach(virtio_cops::ProcessPages pages);
Async<std::uint32_t> detach(std::uint64_t process);
Async<std::uint32_t> set_board(std::uint32_t hart, PhysAddr board);
/// Asks for as many harts as the processes want; the answer is in the host lines.
Async<std::uint32_t> alloc_cpu();
Async<std::uint32_t> get_grant(std::uint32_t index, virtio_cops_ctrl_grant* grant);

/// Requests taken by the device and not completed.
std::uint32_t in_flight();

}  // namespace cops_device
}  // namespace kernel
