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

    /// Any thread, signal handlers too. Puts the former mode back; false when it was in place.
    static bool restore() noexcept;
    /// After restore(), e.g. when the job is continued: raw again.
    static void resume() noexcept;

private:
    bool active_ = false;
};

}  // namespace tools
