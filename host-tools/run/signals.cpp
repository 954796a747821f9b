// SPDX-License-Identifier: Apache-2.0
#include "run/signals.hpp"

#include "console/message.hpp"
#include "console/terminal.hpp"
#include "run/exit_code.hpp"
#include "support/leftovers.hpp"

#include <fmt/format.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace tools {
namespace {

constexpr std::array kWatched{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGUSR1};
constexpr int kGraceMilliseconds = 10'000;
// How often a job in the background looks whether it has the terminal again: a shell need not tell
// one that runs.
constexpr int kTerminalMilliseconds = 250;

/// Those of ours that the caller didn't ask us to ignore (nohup, a shell's background jobs).
::sigset_t watched_signals() {
    ::sigset_t set;
    ::sigemptyset(&set);
    for (const int number : kWatched) {
        struct ::sigaction action{};
        ::sigaction(number, nullptr, &action);
        if (action.sa_handler != SIG_IGN) {
            ::sigaddset(&set, number);
        }
    }
    return set;
}

}  // namespace

struct Signals::Receiver {
    std::mutex mutex;
    std::function<void(int)> deliver;  // guarded by mutex; empty: nobody runs guests
};

Signals::Signals()
    : stop_event_(::eventfd(0, EFD_CLOEXEC))
    , receiver_(std::make_unique<Receiver>()) {
    const ::sigset_t set = watched_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    thread_ = std::thread([this] { watch(); });
}

Signals::~Signals() {
    const std::uint64_t one = 1;
    (void)!::write(stop_event_, &one, sizeof one);
    thread_.join();
    ::close(stop_event_);
}

void Signals::deliver_to(std::function<void(int)> on_signal) {
    const std::lock_guard lock(receiver_->mutex);
    receiver_->deliver = std::move(on_signal);
}

void Signals::stop_delivery() {
    const std::lock_guard lock(receiver_->mutex);
    receiver_->deliver = nullptr;
}

void Signals::end_now(int number, const char* why) {
    RawTerminal::restore();
    say(STDERR_FILENO, fmt::format("cops: ended by {}{}\n", name(number), why));
    remove_leftovers();  // last: the main thread may still be making some
    ::_exit(kExitSignal + number);
}

/// After the job was continued; whoever reads keys hears of it. False: another job has the
/// terminal.
bool Signals::resume_terminal() {
    const bool has_terminal = RawTerminal::resume();
    const std::lock_guard lock(receiver_->mutex);
    if (receiver_->deliver) {
        receiver_->deliver(SIGCONT);
    }
    return has_terminal;
}

void Signals::watch() {
    ::pthread_setname_np(::pthread_self(), "cops-signals");
    const ::sigset_t set = watched_signals();
    const int signals = ::signalfd(-1, &set, SFD_CLOEXEC);
    std::array<::pollfd, 2> waits{{{stop_event_, POLLIN, 0}, {signals, POLLIN, 0}}};
    bool has_terminal = true;
    for (;;) {
        const int limit = received() != 0 ? kGraceMilliseconds
                          : has_terminal  ? -1
                                          : kTerminalMilliseconds;
        const int ready = ::poll(waits.data(), waits.size(), limit);
        if (ready == 0 && received() != 0) {
            end_now(received(), "; the guests did not stop in 10 s");
        }
        if (ready == 0) {
            has_terminal = resume_terminal();
            continue;
        }
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if ((waits[0].revents & POLLIN) != 0) {
            break;
        }
        ::signalfd_siginfo info{};
        if (::read(signals, &info, sizeof info) != sizeof info) {
            continue;
        }
        const int number = static_cast<int>(info.ssi_signo);
        if (number == SIGTSTP) {
            // The shell shall find its terminal as it left it.
            RawTerminal::restore();
            // To this thread, which so does not go on before the process does.
            ::raise(SIGSTOP);
        }
        if (number == SIGTSTP || number == SIGCONT) {
            has_terminal = resume_terminal();
            continue;
        }
        const std::lock_guard lock(receiver_->mutex);
        if (number == SIGUSR1) {
            if (receiver_->deliver) {
                receiver_->deliver(number);
            }
            continue;
        }
        if (!receiver_->deliver || received() != 0) {
            end_now(number, "");
        }
        received_ = number;
        receiver_->deliver(number);
    }
    ::close(signals);
}

std::string Signals::name(int number) {
    const char* abbreviation = ::sigabbrev_np(number);
    return abbreviation != nullptr ? fmt::format("SIG{}", abbreviation)
                                   : fmt::format("signal {}", number);
}

}  // namespace tools
