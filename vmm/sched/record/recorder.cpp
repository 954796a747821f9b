// SPDX-License-Identifier: Apache-2.0
#include "sched/record/recorder.hpp"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace vmm::sched {

Recorder::Recorder(std::vector<std::unique_ptr<RecordSink>> sinks, const RecorderOptions& options)
    : options_(options)
    , queue_(options.places)
    , sinks_(std::move(sinks)) {}

Recorder::~Recorder() {
    stop();
}

void Recorder::start(const RunFacts& facts) {
    for (const auto& sink : sinks_) {
        sink->begin(facts);
    }
    thread_ = std::thread([this] {
        pthread_setname_np(pthread_self(), "cops-record");
        work();
    });
}

void Recorder::push(const Record& record) noexcept {
    while (!queue_.push(record)) {
        if (!options_.wait_for_room) {
            lost_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        std::this_thread::yield();
    }
}

void Recorder::work() {
    // Nobody rings for single records: that would be a system call under the scheduler's lock.
    constexpr std::chrono::milliseconds kInterval{5};
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        signal_.wait_for(lock, kInterval, [this] { return stopping_; });
        lock.unlock();
        drain();
        lock.lock();
    }
}

void Recorder::drain() {
    bool any = false;
    while (const auto record = queue_.pop()) {
        any = true;
        for (const auto& sink : sinks_) {
            sink->add(*record);
        }
    }
    if (const std::uint64_t missing = lost(); missing != told_) {
        any = true;
        for (const auto& sink : sinks_) {
            sink->lost(missing - told_);
        }
        told_ = missing;
    }
    for (const auto& sink : sinks_) {
        if (any) {
            sink->flush();
        }
    }
}

/// True: the thread ran until now. Everything that was pushed before has reached the sinks.
bool Recorder::stop() {
    if (!thread_.joinable()) {
        return false;
    }
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        signal_.notify_one();
    }
    thread_.join();
    drain();
    return true;
}

Result<void> Recorder::finish() {
    Result<void> result;
    if (!stop()) {
        return result;
    }
    for (const auto& sink : sinks_) {
        if (auto one = sink->finish(); !one && result) {
            result = std::move(one);
        }
    }
    return result;
}

}  // namespace vmm::sched
