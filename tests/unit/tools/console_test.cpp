// SPDX-License-Identifier: Apache-2.0
#include "console/escape.hpp"
#include "console/line_prefixer.hpp"
#include "console/live_view.hpp"
#include "console/output.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <future>
#include <string>
#include <thread>

namespace tools {
namespace {

EscapeFilter::Result feed(EscapeFilter& filter, std::string_view typed) {
    return filter.feed({typed.data(), typed.size()});
}

TEST(Escape, what_is_typed_goes_to_the_guest_control_c_too) {
    EscapeFilter filter;
    const auto result = feed(filter, "ls\r\x03");
    EXPECT_EQ(result.to_guest, "ls\r\x03");
    EXPECT_FALSE(result.quit);
}

TEST(Escape, control_a_x_quits_and_drops_the_rest) {
    EscapeFilter filter;
    const auto result = feed(filter, "a\x01xb");
    EXPECT_TRUE(result.quit);
    EXPECT_EQ(result.to_guest, "a");
}

TEST(Escape, the_two_keys_may_come_apart) {
    EscapeFilter filter;
    EXPECT_EQ(feed(filter, "\x01").to_guest, "");
    EXPECT_TRUE(feed(filter, "x").quit);
}

TEST(Escape, control_a_twice_sends_one) {
    EscapeFilter filter;
    EXPECT_EQ(feed(filter, "\x01\x01x").to_guest, "\x01x");
    EXPECT_EQ(
        feed(
            filter,
            "\x01"
            "a"
        )
            .to_guest,
        "\x01"
    );
}

TEST(Escape, help_and_unknown_keys_send_nothing) {
    EscapeFilter filter;
    const auto help = feed(filter, "\x01h");
    EXPECT_TRUE(help.help);
    EXPECT_EQ(help.to_guest, "");
    EXPECT_EQ(feed(filter, "\x01qz").to_guest, "z");
}

std::string feed(LinePrefixer& prefixer, std::string_view text) {
    return prefixer.feed({text.data(), text.size()});
}

TEST(LinePrefixer, lines_come_whole_and_with_their_guests_name) {
    LinePrefixer prefixer("web", 5);
    EXPECT_EQ(feed(prefixer, "hel"), "");
    EXPECT_EQ(feed(prefixer, "lo\nwor"), "web   | hello\n");
    EXPECT_EQ(feed(prefixer, "ld\r\n\n"), "web   | world\nweb   | \n");
    EXPECT_EQ(prefixer.finish(), "");
}

TEST(LinePrefixer, an_unfinished_line_comes_at_the_end) {
    LinePrefixer prefixer("a", 1);
    EXPECT_EQ(feed(prefixer, "$ "), "");
    EXPECT_EQ(prefixer.finish(), "a | $ \n");
    EXPECT_EQ(prefixer.finish(), "");
}

TEST(LinePrefixer, an_endless_line_is_cut) {
    LinePrefixer prefixer("a", 1);
    const std::string lines = feed(prefixer, std::string(100'000, 'x'));
    EXPECT_GT(lines.size(), 90'000U);
    EXPECT_GT(std::count(lines.begin(), lines.end(), '\n'), 10);
}

class Pipe {
public:
    Pipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
    ~Pipe() {
        close_reader();
        close_writer();
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    int writer() const { return ends_[1]; }
    int reader() const { return ends_[0]; }
    void close_reader() { close(0); }
    void close_writer() { close(1); }
    std::string read_all() {
        std::string text;
        std::array<char, 4096> buffer;
        for (ssize_t n = 0; (n = ::read(ends_[0], buffer.data(), buffer.size())) > 0;) {
            text.append(buffer.data(), static_cast<std::size_t>(n));
        }
        return text;
    }

private:
    void close(std::size_t end) {
        if (ends_.at(end) >= 0) {
            ::close(ends_.at(end));
            ends_.at(end) = -1;
        }
    }
    std::array<int, 2> ends_{-1, -1};
};

TEST(Output, everything_arrives_in_order) {
    Pipe pipe;
    std::string expected;
    auto reader = std::async(std::launch::async, [&pipe] { return pipe.read_all(); });
    {
        Output output(pipe.writer(), [](int) { FAIL(); });
        for (int i = 0; i < 100'000; ++i) {
            const std::string line = std::to_string(i) + "\n";
            expected += line;
            output.write(line);
        }
        output.flush();
    }
    pipe.close_writer();
    EXPECT_EQ(reader.get(), expected);
}

TEST(Output, a_reader_that_went_away_is_reported_and_nobody_waits) {
    ::signal(SIGPIPE, SIG_IGN);
    Pipe pipe;
    pipe.close_reader();
    std::promise<int> error;
    Output output(pipe.writer(), [&error](int number) { error.set_value(number); });
    output.write("x");
    EXPECT_EQ(error.get_future().get(), EPIPE);
    for (int i = 0; i < 1000; ++i) {
        output.write(std::string(4096, 'y'));
    }
    output.flush();
}

TEST(Output, a_writer_far_ahead_of_a_stuck_reader_is_let_go) {
    Pipe pipe;
    Output output(pipe.writer(), [](int) {});
    std::promise<void> done;
    std::thread writer([&] {
        for (int i = 0; i < 1000; ++i) {
            output.write(std::string(4096, 'y'));
        }
        done.set_value();
    });
    output.stop_waiting();
    done.get_future().get();
    writer.join();
    output.abandon();
    output.flush();
    // Lets the writing thread out of its write().
    pipe.close_writer();
    (void)pipe.read_all();
}

/// What stands on a terminal of unlimited size after `bytes`, by the sequences that LiveView uses.
std::string screen_after(const std::string& bytes) {
    std::vector<std::string> screen(1);
    std::size_t row = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes.compare(i, 3, "\x1b[J") == 0) {
            screen.resize(row + 1);
            screen[row].clear();
            i += 2;
        } else if (bytes[i] == '\x1b') {
            std::size_t end = 0;
            row -= std::stoul(bytes.substr(i + 2), &end);
            EXPECT_EQ(bytes.at(i + 2 + end), 'F');
            i += 2 + end;
        } else if (bytes[i] == '\n') {
            ++row;
            screen.resize(std::max(screen.size(), row + 1));
        } else if (bytes[i] != '\r') {
            screen[row] += bytes[i];
        }
    }
    std::string text;
    for (const std::string& line : screen) {
        text += line + "\n";
    }
    return text;
}

TEST(LiveView, lines_scroll_away_above_the_text) {
    Pipe pipe;
    {
        Output output(pipe.writer(), [](int) { FAIL(); });
        LiveView view(output);
        view.write("one\n");
        output.flush();
        view.draw("table 1\nrow\n");
        view.write("two\nthree\n");
        output.flush();
        view.draw("table 2\n");
        view.write("four\n");
        output.flush();
    }
    pipe.close_writer();
    EXPECT_EQ(screen_after(pipe.read_all()), "one\ntwo\nthree\nfour\ntable 2\n\n");
}

/// A table redrawn for a terminal that was stopped filled the output's room, and then waited.
TEST(LiveView, is_not_drawn_while_the_terminal_takes_nothing) {
    Pipe pipe;
    Output output(pipe.writer(), [](int) {});
    LiveView view(output);
    output.write(std::string(200'000, 'x')
    );  // more than the pipe takes, less than a writer waits for
    for (int i = 0; i < 1000; ++i) {
        view.draw(std::string(1000, 't') + "\n");
    }
    EXPECT_FALSE(output.drained());
    output.abandon();
    pipe.close_writer();
    EXPECT_FALSE(pipe.read_all().contains('t'));
}

TEST(LiveView, hidden_it_leaves_the_lines_alone) {
    Pipe pipe;
    {
        Output output(pipe.writer(), [](int) { FAIL(); });
        LiveView view(output);
        view.hide();
        view.draw("table\n");
        view.write("line\n");
        view.hide();
        output.write("end\n");
        output.flush();
    }
    pipe.close_writer();
    const std::string bytes = pipe.read_all();
    EXPECT_EQ(screen_after(bytes), "line\nend\n\n");
    EXPECT_FALSE(LiveView::is_possible(pipe.reader()));
    EXPECT_EQ(LiveView::size_of(pipe.reader()).columns, 80u);
}

}  // namespace
}  // namespace tools
