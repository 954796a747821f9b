// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace test_support {

/// How a child process is started.
struct ProcessOptions {
    std::string input;                               ///< Given on stdin, then end of file.
    bool hold_stdin_open = false;                    ///< No end of file until the child ends.
    std::map<std::string, std::string> environment;  ///< Added to ours.
    std::filesystem::path directory;                 ///< Working directory; empty: ours.
    /// Then SIGUSR1, soon after SIGKILL, and `timed_out`.
    std::chrono::seconds timeout{120};
    /// Sends `signal_number` as soon as stdout and stderr together contain this text.
    std::string signal_when_output_contains;
    int signal_number = 0;
};

/// What a child process did.
struct ProcessResult {
    int exit_code = -1;  ///< Exit status; 128+n when ended by signal n, as a shell shows it.
    bool timed_out = false;
    std::string out;
    std::string err;
    std::chrono::nanoseconds elapsed{};
};

/// Runs `command` (argv, program looked up in PATH) to its end; never hangs past the timeout.
/// A program that cannot be started gives exit code 127 and the reason in `err`.
[[nodiscard]] ProcessResult
run_process(const std::vector<std::string>& command, const ProcessOptions& options = {});

/// A fresh directory, removed with its contents at the end.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    TemporaryDirectory(TemporaryDirectory&&) = delete;
    TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
        return path_ / name;
    }

private:
    std::filesystem::path path_;
};

/// Replaces the file's contents.
void write_file(const std::filesystem::path& path, std::string_view contents);
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

/// The folder filled by tests/support/fetch_debian.sh (Image, busybox, virtio-bindings/), fetched
/// now when it is not there. Nothing when the network refuses: skip the test loudly then.
[[nodiscard]] std::optional<std::filesystem::path> debian_cache();

}  // namespace test_support
