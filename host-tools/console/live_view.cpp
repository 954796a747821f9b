// SPDX-License-Identifier: Apache-2.0
#include "console/live_view.hpp"

#include <fmt/format.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace tools {
namespace {

// ECMA-48: from the beginning of the line, erase to the end of the screen (ED); up n lines (CPL).
constexpr std::string_view kErase = "\r\x1b[J";

std::string up(std::size_t lines) {
    return fmt::format("\x1b[{}F", lines);
}

}  // namespace

bool LiveView::is_possible(int fd) {
    const char* const type = std::getenv("TERM");
    return ::isatty(fd) != 0 && type != nullptr && std::string_view(type) != "dumb";
}

TerminalSize LiveView::size_of(int fd) {
    ::winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        return {};
    }
    return {.columns = size.ws_col, .rows = size.ws_row};
}

void LiveView::write(std::string_view lines) {
    const std::lock_guard lock(mutex_);
    put_locked(lines);
}

void LiveView::draw(std::string text) {
    // Who has the lock may wait for the terminal.
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock && output_.drained()) {
        show_locked(std::move(text));
    }
}

void LiveView::hide() {
    const std::lock_guard lock(mutex_);
    show_locked({});
}

void LiveView::show_locked(std::string text) {
    const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
    const bool was_shown = !shown_.empty();
    shown_ = lines == 0 ? std::string() : text + up(lines);
    if (was_shown || !shown_.empty()) {
        put_locked({});
    }
}

void LiveView::put_locked(std::string_view lines) {
    output_.write(fmt::format("{}{}{}", kErase, lines, shown_));
}

}  // namespace tools
