// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace tools {

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT as an orderly end, from the start of the command to its end;
/// SIGTSTP and SIGCONT as a stop that leaves the terminal as it was found; SIGUSR1 as a question.
/// All of them but SIGTSTP reach `on_signal`, which looks at received() for the end that was asked
/// for.
/// Made before any other thread, so that all of them have the signals blocked.
///
/// A first signal while nothing runs yet ends the process at once; while guests run it calls
/// `on_signal`, which has kGrace to bring about the end; a second signal, or a grace that passes,
/// ends the process at once. "At once" still gives the terminal back and leaves no temporary files.
class Signals {
public:
    Signals();
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    /// From now on until the returned value goes, signals call `on_signal` (from our thread).
    void deliver_to(std::function<void(int)> on_signal);
    void stop_delivery();

    /// The signal that asked for the end, 0 when none did.
    int received() const noexcept { return received_.load(); }

    /// "SIGTERM" for 15.
    static std::string name(int number);

private:
    struct Receiver;

    void watch();
    bool resume_terminal();
    void end_now(int number, const char* why);

    int stop_event_;
    std::atomic<int> received_{0};
    std::unique_ptr<Receiver> receiver_;
    std::thread thread_;
};

}  // namespace tools
