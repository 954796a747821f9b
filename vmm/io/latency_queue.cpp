// SPDX-License-Identifier: Apache-2.0
#include "io/latency_queue.hpp"

#include "io/seeded.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace vmm::io {
namespace {

constexpr Nanos kMicrosecond = 1'000;
constexpr Nanos kNever = std::numeric_limits<Nanos>::max();

struct Range {
    Nanos least;
    Nanos most;
};

/// As a quick local disk has them; what is refused needs no disk.
constexpr Range range_of(Opcode opcode) {
    switch (opcode) {
    case Opcode::read:
    case Opcode::write:
        return {20 * kMicrosecond, 120 * kMicrosecond};
    case Opcode::open:
        return {10 * kMicrosecond, 60 * kMicrosecond};
    case Opcode::stat:
    case Opcode::directory:
        return {5 * kMicrosecond, 30 * kMicrosecond};
    case Opcode::sync:
        return {200 * kMicrosecond, 2'000 * kMicrosecond};
    case Opcode::nop:
    case Opcode::sleep:
        break;
    }
    return {2 * kMicrosecond, 10 * kMicrosecond};
}

}  // namespace

Nanos modelled_latency(
    std::uint64_t seed, std::uint32_t guest, std::uint64_t sequence, const Operation& operation
) {
    if (operation.opcode == Opcode::sleep) {
        return operation.offset;
    }
    constexpr std::size_t kBytesPerNano = 4;
    const Range range = range_of(operation.opcode);
    const std::uint64_t drawn = seeded(seeded(seed, guest), sequence);
    std::size_t bytes = 0;
    for (const iovec& segment : operation.segments) {
        bytes += segment.iov_len;
    }
    return range.least + drawn % (range.most - range.least + 1) + bytes / kBytesPerNano;
}

void LatencyQueue::start(std::uint32_t guest, Operation operation) {
    const std::lock_guard lock(mutex_);
    fresh_.push_back({
        .guest = guest,
        .sequence = sequences_[guest]++,
        .operation = std::move(operation),
    });
}

void LatencyQueue::cancel(CompletionSink& sink, std::uint64_t token) {
    const auto is_it = [&](const Entry& entry) {
        return entry.operation.sink == &sink && entry.operation.token == token;
    };
    const std::lock_guard lock(mutex_);
    if (const auto fresh = std::ranges::find_if(fresh_, is_it); fresh != fresh_.end()) {
        fresh->cancelled = true;
        return;
    }
    const auto found =
        std::ranges::find_if(due_, [&](const auto& due) { return is_it(due.second); });
    if (found != due_.end()) {
        fresh_.push_back(std::move(found->second));
        fresh_.back().cancelled = true;
        due_.erase(found);
    }
}

void LatencyQueue::abandon(std::uint32_t guest) {
    const std::lock_guard lock(mutex_);
    abandoned_.insert(guest);
}

bool LatencyQueue::abandoned(std::uint32_t guest) const {
    const std::lock_guard lock(mutex_);
    return abandoned_.contains(guest);
}

void LatencyQueue::settle(Nanos now) {
    const std::lock_guard lock(mutex_);
    for (Entry& entry : fresh_) {
        const Nanos latency =
            entry.cancelled ? 0
                            : modelled_latency(seed_, entry.guest, entry.sequence, entry.operation);
        const Nanos due = latency > kNever - now ? kNever : now + latency;
        due_.emplace(Key{due, entry.guest, entry.sequence}, std::move(entry));
    }
    fresh_.clear();
}

Nanos LatencyQueue::next_due() const {
    const std::lock_guard lock(mutex_);
    return due_.empty() ? kNever : due_.begin()->first.due;
}

void LatencyQueue::deliver(Nanos now, Engine& engine) {
    for (;;) {
        settle(now);
        Entry entry;
        {
            const std::lock_guard lock(mutex_);
            if (due_.empty() || due_.begin()->first.due > now) {
                return;
            }
            entry = std::move(due_.begin()->second);
            due_.erase(due_.begin());
        }
        execute(entry, engine);
    }
}

/// What is read there, nobody reads again.
bool LatencyQueue::is_taped(const Operation& operation) const noexcept {
    if (tape_ == nullptr || operation.opcode != Opcode::read) {
        return false;
    }
    struct stat status{};
    return ::fstat(operation.file->fd(), &status) != 0 || !S_ISREG(status.st_mode);
}

void LatencyQueue::execute(Entry& entry, Engine& engine) {
    const Operation& asked = entry.operation;
    if (entry.cancelled || asked.opcode == Opcode::nop || asked.opcode == Opcode::sleep) {
        asked.sink->io_completed({.token = asked.token, .result = entry.cancelled ? -ECANCELED : 0}
        );
        return;
    }
    if (is_taped(asked) && tape_->replays()) {
        const auto result = tape_->give_read(entry.guest, entry.sequence, asked.segments);
        asked.sink->io_completed({.token = asked.token, .result = result.value_or(-EIO)});
        return;
    }
    // Looked at this often whether the guest's end makes waiting vain.
    constexpr Nanos kPatience = 20'000'000;
    executing_ = &entry;
    Operation proxy = asked;
    proxy.sink = this;
    engine.start(std::move(proxy));
    bool cancelled = false;
    for (engine.flush(); executing_ != nullptr; engine.reap()) {
        if (!cancelled && abandoned(entry.guest)) {
            engine.cancel(*this, asked.token);
            engine.flush();
            cancelled = true;
        }
        engine.wait_for(kPatience);
    }
}

void LatencyQueue::io_completed(const Completion& completion) noexcept {
    const Entry& entry = *executing_;
    executing_ = nullptr;
    Completion settled = completion;
    struct statx status;
    if (completion.status != nullptr) {
        status = *completion.status;
        facts_.settle(status);
        settled.status = &status;
    }
    if (entry.operation.opcode == Opcode::directory && completion.result > 0) {
        struct stat directory{};
        ::fstat(entry.operation.file->fd(), &directory);
        facts_.settle(
            entry.operation.segments.front(),
            static_cast<std::size_t>(completion.result),
            directory.st_dev
        );
    }
    if (is_taped(entry.operation)) {
        tape_->note_read(entry.guest, entry.sequence, completion.result, entry.operation.segments);
    }
    entry.operation.sink->io_completed(settled);
}

}  // namespace vmm::io
