// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/file.hpp"
#include "io/ring_setup.hpp"

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace vmm::io {

enum class Opcode : std::uint8_t {
    nop,
    read,       ///< file, segments, offset
    write,      ///< file, segments, offset, append
    open,       ///< path below the directory `file`, open_flags, mode; never leaves the directory
    stat,       ///< file
    sleep,      ///< offset = nanoseconds
    sync,       ///< file
    directory,  ///< file, one segment, offset: linux_dirent64 records from position `offset`
};

/// What became of an operation. Results are what the host's kernel said: short counts, -EAGAIN and
/// -EINTR included.
struct Completion {
    std::uint64_t token = 0;
    std::int64_t result = 0;       ///< Count, 0, or a negative errno.
    std::shared_ptr<File> opened;  ///< With Opcode::open and result >= 0.
    const struct statx* status =
        nullptr;  ///< With Opcode::stat and result >= 0; valid during the call.
};

/// Receives completions on the thread that owns the engine, from Engine::reap() only.
class CompletionSink {
public:
    virtual void io_completed(const Completion& completion) noexcept = 0;

protected:
    ~CompletionSink() = default;
};

/// One thing to do. `segments` point into guest memory that stays until the completion.
struct Operation {
    Opcode opcode = Opcode::nop;
    Level level = kNoLevel;
    bool append = false;  ///< write: at the end, whatever the offset.
    CompletionSink* sink = nullptr;
    std::uint64_t token = 0;  ///< The sink's; unique among its operations in flight.
    std::shared_ptr<File> file;
    std::uint64_t offset = 0;
    std::vector<iovec> segments;
    std::string path;
    int open_flags = 0;
    mode_t mode = 0;
};

struct EngineOptions {
    unsigned max_in_flight = 2048;  ///< Operations the kernel holds; more wait here, urgent first.
    RingMode best_mode = RingMode::deferred;
};

/// The io_uring of one worker. Everything but wake() is for the thread that created it. An
/// operation stays with the engine that took it; exactly one completion follows each start().
class Engine {
public:
    static Result<std::unique_ptr<Engine>> create(const EngineOptions& options = {});
    /// Nothing may be in flight any more.
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// Takes an operation; nothing is submitted and no sink is called before flush() or reap().
    void start(Operation operation);
    /// Asks the kernel to give up an operation. It completes all the same, with -ECANCELED or, when
    /// it was too late, with its result. Unknown tokens are ignored.
    void cancel(CompletionSink& sink, std::uint64_t token);
    /// Submits what waits, most urgent level first, up to the bound in flight.
    void flush();
    /// Delivers what has completed. Returns how many operations.
    std::size_t reap();
    /// A quick look: whether reap() would find something. It does nothing about it.
    bool has_news() const noexcept;
    /// Sleeps until something has completed, wake() is called or `deadline` (host monotonic)
    /// passes.
    void wait(Nanos deadline);
    /// The same for `time` at most.
    void wait_for(Nanos time);
    /// Any thread. Makes wait() return, and shows in the flags word of a ring that has one.
    void wake() noexcept;

    /// For RunContext: any bit of ring_mask() set in *ring_flags() means that completions wait.
    const unsigned* ring_flags() const noexcept { return ring_.sq.kflags; }
    unsigned ring_mask() const noexcept { return mode_ == RingMode::plain ? 0 : IORING_SQ_TASKRUN; }
    RingMode mode() const noexcept { return mode_; }
    /// Operations taken and not yet delivered.
    std::size_t pending() const noexcept { return slots_in_use_; }

private:
    struct Slot;
    using Key = std::pair<CompletionSink*, std::uint64_t>;

    Engine(const EngineOptions& options, int wake_fd);
    Slot* take_slot();
    io_uring_sqe* next_entry();
    bool prepare(Slot& slot);
    bool prepare_cancel(Slot& slot);
    void send_waiting_cancels();
    void prepare_transfer(Slot& slot, io_uring_sqe* entry);
    void finish(Slot& slot, std::int64_t result);
    std::size_t deliver_finished();
    void deliver(Slot& slot);
    void arm_wake();
    void drain_queue();
    void submit();

    const EngineOptions options_;
    io_uring ring_{};
    RingMode mode_ = RingMode::plain;
    const int wake_fd_;
    bool wake_armed_ = false;  // a poll of wake_fd_ is in the ring

    std::vector<std::unique_ptr<Slot>> slots_;
    std::vector<Slot*> free_;
    std::map<Key, Slot*> by_key_;
    std::array<std::deque<Slot*>, kLevels + 1> queues_;  // taken, not yet submitted
    std::vector<Slot*> finished_;                        // not yet delivered
    std::vector<Slot*>
        waiting_cancels_;  // in the kernel; the ring had no room to ask for their end
    std::uint64_t next_order_ = 0;
    std::size_t queued_ = 0;
    std::size_t in_kernel_ = 0;
    std::size_t slots_in_use_ = 0;
    bool reaping_ = false;
};

}  // namespace vmm::io
