// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace test_support {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
    int read_end = -1;
    int write_end = -1;

    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) {
            throw std::system_error(errno, std::generic_category(), "pipe2");
        }
        read_end = ends[0];
        write_end = ends[1];
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        close_end(read_end);
        close_end(write_end);
    }

    static void close_end(int& end) {
        if (end >= 0) {
            ::close(end);
            end = -1;
        }
    }
};

[[noreturn]] void become(
    const std::vector<std::string>& command, const ProcessOptions& options, int in, int out, int err
) {
    ::dup2(in, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    // A group of its own, so that a timeout ends grandchildren too.
    ::setpgid(0, 0);
    if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) {
        ::dprintf(STDERR_FILENO, "chdir: %s\n", std::strerror(errno));
        ::_exit(127);
    }
    for (const auto& [name, value] : options.environment) {
        ::setenv(name.c_str(), value.c_str(), 1);
    }
    std::vector<char*> argv;
    for (const auto& word : command) {
        argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    ::dprintf(STDERR_FILENO, "%s: %s\n", argv[0], std::strerror(errno));
    ::_exit(127);
}

/// Appends what is there to read; closes the end at end of file.
void drain(int& end, std::string& into) {
    char chunk[65536];
    const ssize_t count = ::read(end, chunk, sizeof chunk);
    if (count > 0) {
        into.append(chunk, static_cast<std::size_t>(count));
    } else if (count == 0 || errno != EINTR) {
        Pipe::close_end(end);
    }
}

/// Writes what the pipe takes; closes it after the last byte unless the child should not see the
/// end of file.
void feed(int& end, const ProcessOptions& options, std::size_t& sent) {
    const ssize_t count = ::write(end, options.input.data() + sent, options.input.size() - sent);
    if (count > 0) {
        sent += static_cast<std::size_t>(count);
    } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
        Pipe::close_end(end);
        return;
    }
    if (sent == options.input.size() && !options.hold_stdin_open) {
        Pipe::close_end(end);
    }
}

}  // namespace

ProcessResult run_process(const std::vector<std::string>& command, const ProcessOptions& options) {
    Pipe in;
    Pipe out;
    Pipe err;
    // A child that ends early must not end us through the pipe to its stdin.
    ::signal(SIGPIPE, SIG_IGN);

    const auto start = Clock::now();
    const pid_t child = ::fork();
    if (child < 0) {
        throw std::system_error(errno, std::generic_category(), "fork");
    }
    if (child == 0) {
        ::signal(SIGPIPE, SIG_DFL);
        become(command, options, in.read_end, out.write_end, err.write_end);
    }
    ::setpgid(child, child);
    Pipe::close_end(in.read_end);
    Pipe::close_end(out.write_end);
    Pipe::close_end(err.write_end);
    ::fcntl(in.write_end, F_SETFL, O_NONBLOCK);

    ProcessResult result;
    std::size_t sent = 0;
    if (options.input.empty() && !options.hold_stdin_open) {
        Pipe::close_end(in.write_end);
    }
    bool signalled = options.signal_number == 0;
    constexpr std::chrono::seconds kLastWords{3};
    auto deadline = start + options.timeout;
    while (out.read_end >= 0 || err.read_end >= 0) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0 && !result.timed_out) {
            result.timed_out = true;
            deadline += kLastWords;
            ::kill(child, SIGUSR1);  // cops says what it is doing; others end
            continue;
        }
        if (left.count() <= 0) {
            ::kill(-child, SIGKILL);
            break;
        }
        const bool feeding = in.write_end >= 0 && sent < options.input.size();
        pollfd ends[] = {
            {out.read_end, POLLIN, 0},
            {err.read_end, POLLIN, 0},
            {feeding ? in.write_end : -1, POLLOUT, 0},
        };
        if (::poll(ends, 3, static_cast<int>(left.count())) < 0) {
            continue;
        }
        if (ends[0].revents != 0) {
            drain(out.read_end, result.out);
        }
        if (ends[1].revents != 0) {
            drain(err.read_end, result.err);
        }
        if (ends[2].revents != 0) {
            feed(in.write_end, options, sent);
        }
        const auto& mark = options.signal_when_output_contains;
        if (!signalled && (result.out.contains(mark) || result.err.contains(mark))) {
            signalled = true;
            ::kill(child, options.signal_number);
        }
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    ::kill(-child, SIGKILL);
    result.elapsed = Clock::now() - start;
    result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return result;
}

TemporaryDirectory::TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cops-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::system_error(errno, std::generic_category(), "mkdtemp " + pattern);
    }
    path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::filesystem::path& path, std::string_view contents) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
    if (!file.flush()) {
        throw std::runtime_error("cannot write " + path.string());
    }
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw std::runtime_error("cannot read " + path.string());
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<std::filesystem::path> debian_cache() {
    const auto fetched = run_process(
        {COPS_SOURCE_DIR "/tests/support/fetch_debian.sh"}, {.timeout = std::chrono::minutes(10)}
    );
    if (fetched.exit_code == 77) {
        return std::nullopt;
    }
    if (fetched.exit_code != 0) {
        throw std::runtime_error("fetch_debian.sh failed: " + fetched.err);
    }
    return fetched.out.substr(0, fetched.out.find_last_not_of('\n') + 1);
}

}  // namespace test_support
