// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>

#include <sys/uio.h>

#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vmm::io {

/// What came from outside in a deterministic run and is different each time: console input, and
/// what was read from pipes and terminals. Either written down as it comes, or given again from
/// such a file. The format is lines of text (docs/design/deterministic.md).
class InputTape {
public:
    /// Bytes for a guest's console, and when: `rounds` of the worker after the input before.
    struct Typed {
        std::uint64_t rounds = 0;
        bool idle = false;  ///< When nobody had anything else to do; `rounds` says nothing.
        std::uint32_t guest = 0;
        std::vector<char> bytes;
    };

    /// Begins to write `path`. ErrorKind::configuration: it can't be written.
    static Result<std::unique_ptr<InputTape>> record(const std::string& path, std::uint64_t seed);
    /// Reads `path`. ErrorKind::configuration: it can't be read, is no such file, or is of a run
    /// with another seed.
    static Result<std::unique_ptr<InputTape>> replay(const std::string& path, std::uint64_t seed);
    ~InputTape();
    InputTape(const InputTape&) = delete;
    InputTape& operator=(const InputTape&) = delete;

    bool replays() const noexcept { return file_ == nullptr; }

    // The worker.

    /// Recording: writes down.
    void note_typed(const Typed& typed);
    void note_read(
        std::uint32_t guest, std::uint64_t sequence, std::int64_t result, std::span<const iovec> to
    );
    /// Replaying: the next console input, or null.
    const Typed* next_typed() const noexcept { return typed_.empty() ? nullptr : &typed_.front(); }
    void take_typed() { typed_.pop_front(); }
    /// Replaying: the result of that read, and its bytes in `to`. Nothing: the tape has none.
    std::optional<std::int64_t>
    give_read(std::uint32_t guest, std::uint64_t sequence, std::span<const iovec> to);

    /// After the run. ErrorKind::internal: not all could be written.
    Result<void> finish();

private:
    struct Read {
        std::int64_t result = 0;
        std::vector<char> bytes;
    };

    InputTape(std::FILE* file, std::string path)
        : file_(file)
        , path_(std::move(path)) {}
    bool take_line(const std::string& line);

    std::FILE* file_;  // null: replays
    const std::string path_;
    std::deque<Typed> typed_;
    std::map<std::pair<std::uint32_t, std::uint64_t>, Read> reads_;
};

}  // namespace vmm::io
