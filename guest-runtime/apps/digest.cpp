// SPDX-License-Identifier: Apache-2.0
// The demo's load: urgent and patient coroutines hash files side by side. What ranks them is the
// level given to spawn() and nothing else.
//
//   digest [--urgent-level L] [--patient-level L] [--urgent N] [--patient N] [--chunk BYTES]
//   DIRECTORY
//
// Coroutine i hashes DIRECTORY/urgent-i or DIRECTORY/patient-i. Lines for machines:
//   digest level=L file=PATH sha256=HEX bytes=N finished_ns=T
//   level level=L files=N bytes=N finished_ns=T at=T
// finished_ns counts from the program's start; `at` is guest time.
#include "sha256.hpp"

#include <cops/cops.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Options {
    unsigned urgent_level = 2;
    unsigned patient_level = 20;
    unsigned urgent = 1;
    unsigned patient = 1;
    std::size_t chunk = 64 * 1024;
    const char* directory = nullptr;
};

/// What the coroutines of one level have done together. They may be preempted anywhere, so they
/// change it without being so.
struct Progress {
    const char* kind;
    unsigned level;
    unsigned files;
    std::uint64_t started;
    std::uint64_t total = 0;  // Bytes of all its files.
    std::uint64_t bytes = 0;
    unsigned failed = 0;
    unsigned tenths = 0;  // Progress printed last.
    std::uint64_t finished_ns = 0;
    std::uint64_t finished_at = 0;

    void add(std::size_t count) {
        unsigned now = 0;
        std::uint64_t so_far = 0;
        {
            const cops::NoPreemption guard;
            bytes += count;
            so_far = bytes;
            now = total == 0 ? 0 : static_cast<unsigned>(bytes * 10 / total);
            if (now <= tenths) {
                return;
            }
            tenths = now;
        }
        std::printf("progress level=%u percent=%u bytes=%lu\n", level, now * 10, so_far);
        std::fflush(stdout);
    }
    void finish() {
        const cops::NoPreemption guard;
        finished_at = cops::time_now();
        finished_ns = finished_at - started;
    }
};

void report(Progress& progress, const std::string& path, cops::Error error) {
    std::fprintf(stderr, "digest: %s: %s\n", path.c_str(), error.message());
    const cops::NoPreemption guard;
    ++progress.failed;
}

/// One of the two buffers of a file that is read ahead.
struct Piece {
    std::vector<std::byte> buffer;
    cops::JoinHandle<cops::Result<std::size_t>> reading;
};

cops::Task<cops::Result<std::size_t>>
read_piece(int fd, std::span<std::byte> buffer, std::int64_t offset) {
    co_return co_await cops::read(fd, buffer, offset);
}

/// Starts reading a piece; it is on its way when this returns.
cops::Task<> start_reading(int fd, Piece& piece, std::int64_t offset, unsigned level) {
    piece.reading = cops::spawn_joinable(read_piece(fd, piece.buffer, offset), level);
    co_await cops::yield();
}

/// Looks at every kilobyte whether something more urgent waits.
cops::Task<> hash_piece(Sha256& hash, std::span<const std::byte> bytes) {
    constexpr std::size_t kStep = 1024;
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(kStep, bytes.size()))) {
        hash.update(bytes.first(std::min(kStep, bytes.size())));
        co_await cops::maybe_yield();
    }
}

/// Hashes one buffer while the host fills the other: so a coroutine whose file is in the host's
/// memory never waits, and less urgent ones get nothing of the CPU meanwhile.
cops::Task<cops::Result<std::int64_t>>
hash_open_file(Progress& progress, int fd, std::size_t chunk, Sha256& hash) {
    Piece pieces[2] = {{std::vector<std::byte>(chunk), {}}, {std::vector<std::byte>(chunk), {}}};
    std::int64_t offset = 0;
    co_await start_reading(fd, pieces[0], 0, progress.level);
    for (unsigned turn = 0;; turn ^= 1) {
        const cops::Result<std::size_t> count = co_await pieces[turn].reading;
        if (!count) {
            co_return std::unexpected(count.error());
        }
        if (*count == 0) {
            co_return offset;
        }
        offset += static_cast<std::int64_t>(*count);
        co_await start_reading(fd, pieces[turn ^ 1], offset, progress.level);
        co_await hash_piece(hash, std::span(pieces[turn].buffer).first(*count));
        progress.add(*count);
    }
}

cops::Task<> hash_file(Progress& progress, std::string path, std::size_t chunk) {
    const cops::Result<int> fd = co_await cops::open(path.c_str(), O_RDONLY);
    if (!fd) {
        report(progress, path, fd.error());
        co_return;
    }
    Sha256 hash;
    const cops::Result<std::int64_t> bytes = co_await hash_open_file(progress, *fd, chunk, hash);
    if (bytes) {
        progress.finish();
        std::printf(
            "digest level=%u file=%s sha256=%s bytes=%ld finished_ns=%lu\n",
            progress.level,
            path.c_str(),
            hash.finish().c_str(),
            *bytes,
            progress.finished_ns
        );
        std::fflush(stdout);
    } else {
        report(progress, path, bytes.error());
    }
    (void)co_await cops::close(*fd);
}

bool parse_number(const char* text, unsigned long limit, unsigned long& number) {
    char* end = nullptr;
    number = std::strtoul(text, &end, 10);
    return *text != '\0' && *end == '\0' && number <= limit;
}

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (!word.starts_with("--")) {
            if (options.directory != nullptr) {
                return false;
            }
            options.directory = argv[i];
            continue;
        }
        unsigned long number = 0;
        if (++i == argc || !parse_number(argv[i], 1UL << 24, number)) {
            return false;
        }
        if (word == "--urgent-level" && number < cops::kLevels) {
            options.urgent_level = static_cast<unsigned>(number);
        } else if (word == "--patient-level" && number < cops::kLevels) {
            options.patient_level = static_cast<unsigned>(number);
        } else if (word == "--urgent") {
            options.urgent = static_cast<unsigned>(number);
        } else if (word == "--patient") {
            options.patient = static_cast<unsigned>(number);
        } else if (word == "--chunk" && number != 0) {
            options.chunk = number;
        } else {
            return false;
        }
    }
    return options.directory != nullptr;
}

std::string path_of(const Progress& progress, const Options& options, unsigned file) {
    return std::string(options.directory) + '/' + progress.kind + '-' + std::to_string(file);
}

/// Before any is hashed: of files that are found one by one, nobody can say how much is left.
void measure_all(Progress& progress, const Options& options) {
    for (unsigned i = 0; i < progress.files; ++i) {
        // A file that is missing is reported by who opens it.
        struct stat found{};
        if (::stat(path_of(progress, options, i).c_str(), &found) == 0) {
            progress.total += static_cast<std::uint64_t>(found.st_size);
        }
    }
}

bool spawn_all(Progress& progress, const Options& options, std::vector<cops::TaskId>& tasks) {
    for (unsigned i = 0; i < progress.files; ++i) {
        const cops::TaskId id = cops::spawn(
            hash_file(progress, path_of(progress, options, i), options.chunk), progress.level
        );
        if (!id) {
            std::fputs("digest: no memory for a coroutine\n", stderr);
            return false;
        }
        tasks.push_back(id);
    }
    return true;
}

void print_level(const Progress& progress) {
    std::printf(
        "level level=%u files=%u bytes=%lu finished_ns=%lu at=%lu\n",
        progress.level,
        progress.files,
        progress.bytes,
        progress.finished_ns,
        progress.finished_at
    );
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    Options options;
    if (!parse(argc, argv, options)) {
        std::fputs(
            "usage: digest [--urgent-level L] [--patient-level L] [--urgent N] [--patient N] "
            "[--chunk BYTES] DIRECTORY\n",
            stderr
        );
        co_return 2;
    }
    const std::uint64_t start = cops::time_now();
    Progress urgent{"urgent", options.urgent_level, options.urgent, start};
    Progress patient{"patient", options.patient_level, options.patient, start};
    measure_all(urgent, options);
    measure_all(patient, options);
    std::vector<cops::TaskId> tasks;
    if (!spawn_all(patient, options, tasks) || !spawn_all(urgent, options, tasks)) {
        co_return 1;
    }
    for (const cops::TaskId id : tasks) {
        co_await cops::join(id);
    }
    print_level(urgent);
    print_level(patient);
    co_return urgent.failed + patient.failed == 0 ? 0 : 1;
}
