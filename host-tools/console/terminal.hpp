// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tools {

/// The terminal on stdin in raw mode, for the life of this object: keys arrive as they are typed,
/// unechoed, Ctrl-C included. Output processing stays on, so that logs of ours still look right.
/// The former mode comes back when the object ends, and also when the process crashes.
class RawTerminal {
public:
    /// Does nothing unless stdin is a terminal and we are its foreground job.
    RawTerminal();
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

    bool active() const noexcept { return active_; }

    /// Any thread, signal handlers too. Puts the former mode back, if ours was in place.
    static void restore() noexcept;
    /// When the job is continued: raw again, unless it goes on in the background. False: the
    /// terminal is another job's now, and neither to be read nor to be changed.
    static bool resume() noexcept;
    /// Whether the terminal is raw, so that keys on it are the guest's.
    static bool is_raw() noexcept;

private:
    bool active_ = false;
};

}  // namespace tools
