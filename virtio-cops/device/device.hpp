// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/ports.hpp"
#include "device/queue.hpp"
#include "device/tables.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace virtio_cops {

/// What a device is made with. The limits become configuration space; create() cuts them to what
/// the wire can express.
struct DeviceOptions {
    std::uint32_t num_vcpus = 1;
    /// vCPUs that the guest has for good; fewer than num_vcpus: CORE_ALLOC is offered (with
    /// boards). 0: all of them.
    std::uint32_t own_vcpus = 0;
    std::uint32_t max_processes = 64;
    std::uint32_t max_slots = 4096;  ///< Of one process; a multiple of VIRTIO_COPS_SLOTS_PER_PAGE.
    std::uint32_t max_in_flight = 1024;  ///< Started at the host; more wait, most urgent first.
    std::uint32_t max_segments = 64;
    std::uint32_t max_handles = 1024;
    bool boards = true;           ///< Offer VIRTIO_COPS_F_BOARD.
    bool user_interrupts = true;  ///< Offer VIRTIO_COPS_F_USER_INTR (only with boards).
    std::vector<GrantInfo> grants;
};

/// What a vCPU claims, computed from one copy of each shared word.
struct Claim {
    bool present = false;          ///< False: no board; everything below is a default.
    Level level = kNoLevel;        ///< Most urgent of board, line and pending wakes; 64 = nothing.
    Level running = kNoLevel;      ///< Level of the coroutine that runs in the current process.
    Level timer_level = kNoLevel;  ///< At which a timer wakes the vCPU; kNoLevel = not said.
    Level irq_level = kNoLevel;    ///< At which a device interrupt wakes it.
    bool critical = false;         ///< Board or current line says so.
    bool idle = false;             ///< The kernel has nothing of its own to do.
    std::uint64_t process = 0;     ///< Current process, 0 = none (or not a valid id).
    // The bitmaps that `level` was computed from.
    std::uint64_t board = 0;         ///< Board: ready.
    std::uint64_t line = 0;          ///< Line of the current process: ready.
    std::uint64_t wake_pending = 0;  ///< The same line.
};

/// What a store to the doorbell page means to the vCPU that makes it.
enum class Doorbell : std::uint8_t {
    none,   ///< Nothing: not a doorbell.
    claim,  ///< Sample it now.
    yield,  ///< End its turn.
    spin,   ///< End its turn if what it waits for does not run. Only with has_siblings().
};

/// Counters of one level; [64] counts requests whose level was not valid.
struct LevelCounters {
    std::uint64_t requests = 0;  ///< Taken off the queue.
    std::uint64_t completions = 0;
    std::uint64_t bytes = 0;
    std::uint64_t wakes_ring = 0;
    std::uint64_t wakes_user_interrupt = 0;
    std::uint64_t wakes_kernel = 0;
};

/// What a driver can get wrong, and how often it did.
struct MisuseCounters {
    std::uint64_t bad_requests = 0;    ///< Answered with an error before anything was started.
    std::uint64_t bad_commands = 0;    ///< Control commands refused as malformed.
    std::uint64_t broken_rings = 0;    ///< Led to DEVICE_NEEDS_RESET.
    std::uint64_t unlisted_slots = 0;  ///< A completion list changed too often to be joined.
    std::uint64_t stale_tokens = 0;    ///< complete() of an operation that is not in flight.
};

/// The device's state as plain data. Host handles are described, not copied.
struct SavedDevice {
    struct Process {
        std::uint64_t id = 0;
        std::uint64_t page = 0;
        std::uint32_t lines = 0;
        std::vector<std::uint64_t> heads;
        std::vector<std::uint64_t> slots;
    };
    struct Handle {
        std::uint32_t index = 0;
        std::uint32_t generation = 0;  ///< Kept when closed: an old handle stays invalid.
        bool open = false;
        OpenDescription description;
    };
    bool active = false;
    bool broken = false;
    std::uint64_t features = 0;
    std::array<QueueState, VIRTIO_COPS_NUM_QUEUES> queues{};
    std::vector<std::uint64_t> boards;  ///< Addresses by vCPU, 0 = none.
    std::vector<Process> processes;
    std::vector<Handle> handles;
};

/// The device side of virtio-cops (SPEC.md): queues, processes, requests, boards, completions. A
/// state machine: no system calls, no threads, no clock.
///
/// Not locked: callers hold one lock per device around every call (calls to Host are made under
/// it). Guest memory may change under any of them; each word is read once.
///
/// Life: constructed; activate() when the driver sets DRIVER_OK; reset() when it writes 0 to the
/// status; activate() again. Destroy it when in_flight() is 0.
class Device {
public:
    static constexpr std::uint16_t kControlQueueMax = 64;
    static constexpr std::uint16_t kRequestQueueMax = 1024;
    /// O_* that OPENAT passes on (asm-generic values); others make the request fail with EINVAL.
    static constexpr std::uint32_t kOpenFlags = 00000003 | 00000100 | 00000200 | 00001000 | 00002000
                                                | 00010000 | 00200000 | 00400000 | 02000000
                                                | 04010000;

    /// `host_page` is the shared memory region VIRTIO_COPS_SHM_HOST_PAGE (empty without boards);
    /// memory, host and page outlive the device.
    Device(DeviceOptions options, Memory& memory, Host& host, std::span<std::byte> host_page);
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    // What the transport asks.
    std::uint64_t features() const noexcept;  ///< Offered.
    std::uint16_t queue_max(unsigned queue) const noexcept;
    bool accept_features(std::uint64_t features) const noexcept;
    /// Configuration space; bytes past its end read as 0.
    void read_config(std::uint64_t offset, std::span<std::byte> to) const noexcept;
    /// Changes when configuration space does.
    std::uint32_t config_generation() const noexcept { return power_off_asked_ ? 1 : 0; }
    /// DRIVER_OK. `queues[i].size` 0 = not set up. A queue that can't be used breaks the device
    /// (Host::set_needs_reset()).
    void activate(std::uint64_t features, std::span<const QueueState> queues);
    /// Status written 0: forgets boards and processes, cancels all requests. True: done now.
    /// False: Host::reset_done() comes after the last complete(). Nothing is written to guest
    /// memory from the moment of return, except by operations that the host has still under way.
    bool reset();
    void notify(unsigned queue);

    /// What the operator asks: the guest shall power off. False: there is no driver that has
    /// negotiated POWER_OFF, and nothing happens.
    bool ask_power_off();

    /// Host::cores() has changed: tells the driver, if it negotiated CORE_ALLOC.
    void cores_changed();

    // What the host's I/O engine reports.
    /// The operation ended. `result` is a byte count, a host handle (OPENAT) or -errno.
    void complete(std::uint64_t token, std::int64_t result);
    /// An FSTAT ended well.
    void complete_stat(std::uint64_t token, const virtio_cops_stat& stat);

    // What the scheduler asks.
    Claim sample(unsigned vcpu) noexcept;
    /// Writes the vCPU's line of the host page, if it changed. `siblings` counts only with
    /// has_siblings().
    void publish(
        unsigned vcpu,
        Level ring_level,
        Level yield_level,
        std::uint64_t waiting,
        std::uint64_t siblings = 0
    ) noexcept;
    /// A driver that negotiated VIRTIO_COPS_F_SIBLINGS is live.
    bool has_siblings() const noexcept;
    /// The worker that runs `vcpu` (which is outside the guest now) found a post in its mailbox.
    /// True: raise the user interrupt. False: the process is not current there any more; the
    /// device has told the kernel instead.
    bool take_user_interrupt(unsigned vcpu, std::uint64_t process) noexcept;

    /// What a store of `size` bytes at `offset` of the doorbell page asks for (SPEC.md section 10).
    static Doorbell doorbell(std::uint64_t offset, unsigned size) noexcept {
        return size != 4                              ? Doorbell::none
               : offset == VIRTIO_COPS_DOORBELL_CLAIM ? Doorbell::claim
               : offset == VIRTIO_COPS_DOORBELL_YIELD ? Doorbell::yield
               : offset == VIRTIO_COPS_DOORBELL_SPIN  ? Doorbell::spin
                                                      : Doorbell::none;
    }

    // Saving. A paused device takes nothing off its queues; what is in flight still completes.
    void set_paused(bool paused);
    /// Started operations whose complete() has not come.
    std::size_t in_flight() const noexcept { return started_; }
    /// Started, waiting for a place, or held by a DETACH that waits.
    bool idle() const noexcept;
    /// Nothing: not idle.
    std::optional<SavedDevice> save() const;
    /// Into a device that was never active. False: `saved` doesn't fit this device or its memory,
    /// and the device is as new. Files that can't be opened again become handles that answer EBADF.
    bool load(const SavedDevice& saved);

    const LevelCounters& counters(unsigned level) const noexcept { return counters_[level]; }
    const MisuseCounters& misuse() const noexcept { return misuse_; }

private:
    using Errno = std::int64_t;  // 0 or a positive Linux errno value

    // device.cpp
    void break_ring(const char* why);
    void take_all(unsigned queue);
    void drop_everything();

    // control.cpp
    void take_command(const Chain& chain);
    Errno run_command(const Chain& chain, std::vector<std::byte>& reply, bool& deferred);
    Errno set_board(const virtio_cops_ctrl_set_board& command);
    Errno map_pages(std::span<const std::uint64_t> addresses, std::vector<GuestPage>& pages);
    Errno attach(const virtio_cops_ctrl_attach_process& command, std::span<const std::byte> list);
    Errno
    detach(const Chain& chain, const virtio_cops_ctrl_detach_process& command, bool& deferred);
    Errno cancel(const virtio_cops_ctrl_cancel& command);
    Errno set_level(const virtio_cops_ctrl_set_level& command);
    Errno alloc_cpu(const virtio_cops_ctrl_alloc_cpu& command);
    Errno get_grant(const virtio_cops_ctrl_get_grant& command, std::vector<std::byte>& reply) const;
    void finish_detach(Process& process);
    void answer(
        std::uint16_t head,
        std::span<const Buffer> to,
        Errno status,
        std::span<const std::byte> reply
    );

    // requests.cpp
    void take_request(Chain& chain);
    Errno check(Request& request, Chain& chain);
    Errno check_owner(Request& request);
    Errno check_operation(Request& request, Chain& chain);
    Errno check_data(Request& request, std::span<const Buffer> buffers, bool to_guest);
    Errno check_open(Request& request, std::span<const Buffer> buffers);
    void start_pending();
    void cancel_pending(Request& request);
    std::uint16_t& bucket(std::uint64_t request_id) noexcept;
    Request* find_request(std::uint64_t request_id) noexcept;
    void index_request(Request& request);
    void unindex_request(const Request& request);

    // handles.cpp
    Errno hold_handle(Request& request);
    std::optional<std::uint32_t> find_handle(std::uint32_t handle) const noexcept;
    std::optional<std::uint32_t> new_handle();
    std::int64_t settle_open(Request& request, std::int64_t result);
    void close_handle(std::uint32_t index);
    void release_handle(std::uint32_t index);
    void free_handle(std::uint32_t index);

    // completion.cpp
    Request* take_completion(std::uint64_t token);
    void finish(Request& request, std::int64_t result);
    void report(const Request& request, std::int64_t result, WakePath path);
    bool fill_slot(const Request& request, std::int64_t result, Process& process);
    bool list_slot(const Request& request, Process& process, std::byte* slot);
    WakePath choose_path(const Request& request, const Process& process) noexcept;
    void forget(Request& request);

    // boards.cpp
    Process* find_process(std::uint64_t id) noexcept;
    static std::byte* line_of(const Process& process, unsigned hart) noexcept;

    // cores.cpp
    bool offers_cores() const noexcept;
    bool publish_cores();
    bool publish_core(unsigned vcpu, std::uint32_t word);
    void forget_cores();

    // save.cpp
    bool accept_saved(const SavedDevice& saved) const;
    bool load_memory(const SavedDevice& saved);
    bool load_handles(const SavedDevice& saved);

    // Guest memory.
    bool read_buffers(std::span<const Buffer> from, std::uint64_t offset, std::span<std::byte> to)
        const noexcept;
    bool write_buffers(std::span<const Buffer> to, std::span<const std::byte> from) noexcept;

    DeviceOptions options_;
    Memory& memory_;
    Host& host_;
    std::span<std::byte> host_page_;

    bool active_ = false;     // between activate() and reset()
    bool broken_ = false;     // a ring was broken: nothing is taken until reset
    bool resetting_ = false;  // reset() waits for started operations
    bool paused_ = false;
    bool power_off_asked_ = false;  // until the device is gone
    std::uint64_t features_ = 0;    // negotiated
    std::array<Queue, VIRTIO_COPS_NUM_QUEUES> queues_;

    std::vector<GuestPage> boards_;  // by vCPU; host null = none
    std::vector<Process> processes_;
    std::vector<Handle> handles_;
    std::deque<std::uint32_t> free_handles_;  // oldest first, so that indices rest before reuse

    std::vector<Request> requests_;            // by ring head
    std::vector<std::uint16_t> by_id_;         // hash buckets: first head
    std::vector<std::uint16_t> control_busy_;  // heads of DETACH commands that wait
    Chain chain_;                              // scratch of take_all()
    PendingLists pending_;
    std::size_t started_ = 0;
    std::size_t waiting_ = 0;  // in pending_
    std::uint64_t next_token_ = 1;

    std::array<LevelCounters, kLevels + 1> counters_{};
    MisuseCounters misuse_{};
};

}  // namespace virtio_cops
