// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/record/record.hpp"
#include "sched/record/record_queue.hpp"

#include <vmm/error.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace vmm::sched {

/// Where records go, in the order in which they were made. All calls come from one thread at a
/// time.
class RecordSink {
public:
    virtual ~RecordSink() = default;
    /// Before anything else.
    virtual void begin(const RunFacts& facts) = 0;
    virtual void add(const Record& record) = 0;
    /// So many records are missing before the next one, or a little earlier.
    virtual void lost(std::uint64_t count) = 0;
    /// What was added so far shall reach the file.
    virtual void flush() = 0;
    /// Ends the file. An error tells of every write so far.
    virtual Result<void> finish() = 0;
};

struct RecorderOptions {
    std::size_t places = std::size_t{1} << 16;  ///< Records that may wait; a power of two.
    /// Who makes a record waits for room, so that none is lost; for runs whose time is not the
    /// host's.
    bool wait_for_room = false;
    /// Take records that no decision follows from as well: of requests, doorbells, idle workers.
    bool everything = false;
};

/// Takes records from under the scheduler's locks and gives them to sinks on a thread of its own.
/// Nobody waits for a file: when the sinks fall behind, records are lost, and counted.
class Recorder {
public:
    explicit Recorder(
        std::vector<std::unique_ptr<RecordSink>> sinks, const RecorderOptions& options = {}
    );
    ~Recorder();
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    /// Once, before the first record.
    void start(const RunFacts& facts);
    /// Any thread, between start() and finish().
    void push(const Record& record) noexcept;
    /// RecorderOptions::everything.
    bool wants_everything() const noexcept { return options_.everything; }
    /// After the last record. Writes all and ends the files; the first error of any.
    Result<void> finish();

    /// Records that found no room so far.
    std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

private:
    bool stop();
    void work();
    void drain();

    const RecorderOptions options_;
    RecordQueue<Record> queue_;
    std::atomic<std::uint64_t> lost_{0};
    std::thread thread_;
    std::mutex mutex_;
    std::condition_variable signal_;
    bool stopping_ = false;  // guarded by mutex_
    // Of the thread, and of start() and finish() when it does not run.
    std::vector<std::unique_ptr<RecordSink>> sinks_;
    std::uint64_t told_ = 0;  // lost records that the sinks know of
};

}  // namespace vmm::sched
