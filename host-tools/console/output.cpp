// SPDX-License-Identifier: Apache-2.0
#include "console/output.hpp"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace tools {

struct Output::State {
    static constexpr std::size_t kHighWater = std::size_t{256} << 10;

    std::mutex mutex;
    std::condition_variable changed;
    std::string pending;    // guarded by mutex, as all below
    bool writing = false;   // the thread has taken bytes that aren't out yet
    bool dropping = false;  // who is too far ahead loses bytes
    unsigned waiting = 0;   // writers that are too far ahead
    std::uint64_t releases = 0;
    bool abandoned = false;  // nothing is taken or written any more

    bool drained() const { return (pending.empty() && !writing) || abandoned; }

    /// Body of the thread.
    void drain(int fd, const std::function<void(int)>& failed) {
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [this] { return !pending.empty() || abandoned; });
            if (abandoned) {
                return;
            }
            const std::string taken = std::exchange(pending, {});
            writing = true;
            changed.notify_all();
            lock.unlock();
            const int error = write_all(fd, taken);
            lock.lock();
            writing = false;
            if (error != 0 && !abandoned) {
                abandoned = true;
                failed(error);
            }
            changed.notify_all();
        }
    }

    static int write_all(int fd, std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t count = ::write(fd, bytes.data(), bytes.size());
            if (count >= 0) {
                bytes.remove_prefix(static_cast<std::size_t>(count));
            } else if (errno == EAGAIN) {
                // Whoever gave us the descriptor made it non-blocking.
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            } else if (errno != EINTR) {
                return errno;
            }
        }
        return 0;
    }
};

Output::Output(int fd, std::function<void(int)> failed)
    : state_(std::make_shared<State>()) {
    std::thread([state = state_, fd, failed = std::move(failed)] {
        ::pthread_setname_np(::pthread_self(), "cops-output");
        state->drain(fd, failed);
    }).detach();
}

Output::~Output() {
    abandon();
}

void Output::write(std::string_view bytes) {
    std::unique_lock lock(state_->mutex);
    const auto has_room = [this] { return state_->pending.size() < State::kHighWater; };
    ++state_->waiting;
    state_->changed.wait(lock, [this, has_room, before = state_->releases] {
        return has_room() || state_->dropping || state_->abandoned || state_->releases != before;
    });
    --state_->waiting;
    if (has_room() && !state_->abandoned) {
        state_->pending += bytes;
        state_->changed.notify_all();
    }
}

bool Output::drained() const {
    const std::lock_guard lock(state_->mutex);
    return state_->drained();
}

void Output::flush() {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->drained(); });
}

bool Output::flush_for(std::chrono::milliseconds timeout) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, timeout, [this] { return state_->drained(); });
}

void Output::stop_waiting() {
    const std::lock_guard lock(state_->mutex);
    state_->dropping = true;
    state_->changed.notify_all();
}

bool Output::release_waiting() {
    const std::lock_guard lock(state_->mutex);
    if (state_->waiting == 0) {
        return false;
    }
    ++state_->releases;
    state_->changed.notify_all();
    return true;
}

void Output::abandon() {
    const std::lock_guard lock(state_->mutex);
    state_->abandoned = true;
    state_->changed.notify_all();
}

}  // namespace tools
