// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "console/output.hpp"
#include "report/live_table.hpp"

#include <mutex>
#include <string>
#include <string_view>

namespace tools {

/// A text of several lines that stays at the end of a terminal while lines are written above it.
/// The cursor rests on its first line, so that whoever else writes to the terminal writes over it
/// and the next draw() puts it in order again.
class LiveView {
public:
    /// Writes to `output`, which must outlive this.
    explicit LiveView(Output& output)
        : output_(output) {}

    /// Whether a terminal stands behind `fd` that can move its cursor.
    static bool is_possible(int fd);
    /// Of the terminal behind `fd`; the default where it does not say.
    static TerminalSize size_of(int fd);

    /// Any thread. Whole lines, which scroll away above the text.
    void write(std::string_view lines);
    /// Any thread. In place of the text that stood there. Does not wait: while the terminal has not
    /// taken what was written before, nothing is drawn.
    void draw(std::string text);
    /// Any thread. Takes the text away.
    void hide();

private:
    void show_locked(std::string text);
    void put_locked(std::string_view lines);

    Output& output_;
    std::mutex mutex_;
    std::string shown_;  // the text, and what brings the cursor back; guarded by mutex_
};

}  // namespace tools
