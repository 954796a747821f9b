// SPDX-License-Identifier: Apache-2.0
#include "console/terminal.hpp"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>

namespace tools {
namespace {

// Written before `raw` is first set (release), read by signal handlers after they saw it.
::termios former;
::termios raw_mode;
std::mutex resuming;
bool exists = false;  // guarded by resuming: there is a RawTerminal that is active
std::atomic<bool> raw{false};
static_assert(std::atomic<bool>::is_always_lock_free);

constexpr std::array kCrashes{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};
std::array<struct ::sigaction, kCrashes.size()> former_actions;

/// Another job may have the terminal: what it is set to is that job's business then.
bool is_foreground() noexcept {
    return ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
}

/// Setting the mode from a background job stops it, unless the signal for that is blocked.
void set_mode(const ::termios& mode) noexcept {
    ::sigset_t stop;
    ::sigset_t before;
    ::sigemptyset(&stop);
    ::sigaddset(&stop, SIGTTOU);
    ::pthread_sigmask(SIG_BLOCK, &stop, &before);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

/// Gives the terminal back, then lets the crash take the course that it would have taken.
void on_crash(int number) {
    RawTerminal::restore();
    for (std::size_t i = 0; i < kCrashes.size(); ++i) {
        if (kCrashes.at(i) == number) {
            ::sigaction(number, &former_actions.at(i), nullptr);
        }
    }
    // Blocked until the handler returns; a fault happens again by itself then.
    ::raise(number);
}

}  // namespace

RawTerminal::RawTerminal() {
    if (::isatty(STDIN_FILENO) == 0 || !is_foreground()
        || ::tcgetattr(STDIN_FILENO, &former) != 0) {
        return;
    }
    raw_mode = former;
    ::cfmakeraw(&raw_mode);
    raw_mode.c_oflag |= OPOST;
    for (std::size_t i = 0; i < kCrashes.size(); ++i) {
        struct ::sigaction action{};
        action.sa_handler = on_crash;
        ::sigaction(kCrashes.at(i), &action, &former_actions.at(i));
    }
    active_ = true;
    {
        const std::lock_guard lock(resuming);
        exists = true;
    }
    resume();
}

RawTerminal::~RawTerminal() {
    if (!active_) {
        return;
    }
    {
        const std::lock_guard lock(resuming);
        exists = false;
    }
    restore();
    for (std::size_t i = 0; i < kCrashes.size(); ++i) {
        ::sigaction(kCrashes.at(i), &former_actions.at(i), nullptr);
    }
}

void RawTerminal::restore() noexcept {
    if (raw.exchange(false) && is_foreground()) {
        set_mode(former);
    }
}

bool RawTerminal::resume() noexcept {
    const std::lock_guard lock(resuming);
    if (!exists) {
        return true;
    }
    raw = is_foreground();
    if (raw) {
        set_mode(raw_mode);
    }
    return raw;
}

bool RawTerminal::is_raw() noexcept {
    return raw;
}

}  // namespace tools
