// SPDX-License-Identifier: Apache-2.0
// test-api DIRECTORY: every call of the API once and its errors. DIRECTORY is a granted one,
// writable, that holds `input`: the bytes 0, 1, 2, ... 255, 0, 1, ... (1000 of them).
#include "check.hpp"

#include <cops/cops.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kInputBytes = 1000;

bool is_pattern(std::span<const std::byte> bytes, std::size_t offset) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] != static_cast<std::byte>(offset + i)) {
            return false;
        }
    }
    return true;
}

cops::Task<> reads(const std::string& directory) {
    const std::string path = directory + "/input";
    const cops::Result<int> fd = co_await cops::open(path.c_str(), O_RDONLY);
    check(fd.has_value(), "open input");
    const cops::Result<cops::Stat> stat = co_await cops::fstat(*fd);
    check(stat.has_value() && stat->size == kInputBytes, "fstat gives the size");

    std::array<std::byte, 300> buffer;
    cops::Result<std::size_t> count = co_await cops::read(*fd, buffer, 100);
    check(count == buffer.size() && is_pattern(buffer, 100), "read at an offset");
    count = co_await cops::read(*fd, buffer, 900);
    check(count == 100u, "read over the end is short");
    count = co_await cops::read(*fd, buffer, 5000);
    check(count == 0u, "read behind the end gives 0");

    count = co_await cops::read(*fd, buffer);
    check(count == buffer.size() && is_pattern(buffer, 0), "read at the file position");
    count = co_await cops::read(*fd, std::span(buffer).first(10));
    check(count == 10u && is_pattern(std::span(buffer).first(10), 300), "which advances");

    count = co_await cops::write(*fd, buffer, 0);
    check(!count && count.error() == cops::Error(EBADF), "write to a read-only descriptor");
    check((co_await cops::close(*fd)).has_value(), "close");
    count = co_await cops::read(*fd, buffer, 0);
    check(!count && count.error() == cops::Error(EBADF), "read of a closed descriptor");
    const cops::Result<void> again = co_await cops::close(*fd);
    check(!again && again.error() == cops::Error(EBADF), "close twice");
}

cops::Task<> writes(const std::string& directory) {
    const std::string path = directory + "/output";
    const cops::Result<int> fd =
        co_await cops::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    check(fd.has_value(), "create output");
    std::vector<std::byte> data(20000);
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<std::byte>(i);
    }
    check((co_await cops::write(*fd, data, 0)) == data.size(), "write many pages");
    check((co_await cops::write(*fd, std::span(data).first(3), 20000)) == 3u, "write at the end");
    check((co_await cops::fsync(*fd)).has_value(), "fsync");
    std::vector<std::byte> back(data.size() + 3);
    check((co_await cops::read(*fd, back, 0)) == back.size(), "read back");
    check(is_pattern(std::span(back).first(20000), 0), "what was written");
    check((co_await cops::close(*fd)).has_value(), "close output");
}

// Each reads a part at the file's position: the next one, and one that no other one has.
cops::Task<> reads_part(int fd, std::size_t& bytes, std::array<unsigned, 256>& begins) {
    std::array<std::byte, 10> part;
    const cops::Result<std::size_t> count = co_await cops::read(fd, part);
    check(count == part.size(), "read of a part");
    check(is_pattern(part, static_cast<std::size_t>(part[0])), "a part in one piece");
    __atomic_fetch_add(&bytes, *count, __ATOMIC_RELAXED);
    __atomic_fetch_add(&begins[static_cast<std::size_t>(part[0])], 1u, __ATOMIC_RELAXED);
}

cops::Task<> writes_part(int fd, std::byte mark) {
    std::array<std::byte, 10> part;
    part.fill(mark);
    check((co_await cops::write(fd, part)) == part.size(), "write of a part");
}

// Coroutines that use one descriptor at once share its position, and nothing else.
cops::Task<> share_a_position(const std::string& directory) {
    const int in = (co_await cops::open((directory + "/input").c_str(), O_RDONLY)).value();
    std::size_t bytes = 0;
    std::array<unsigned, 256> begins{};
    std::array<unsigned, 256> expected{};
    std::vector<cops::TaskId> ids;
    for (std::size_t i = 0; i < kInputBytes / 10; ++i) {
        ++expected[i * 10 % 256];
        ids.push_back(cops::spawn(reads_part(in, bytes, begins), 9));
    }
    for (const cops::TaskId id : ids) {
        co_await cops::join(id);
    }
    check(bytes == kInputBytes && begins == expected, "no part was read twice");
    check((co_await cops::close(in)).has_value(), "close");

    const std::string path = directory + "/parts";
    const int out = (co_await cops::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644)).value();
    ids.clear();
    for (unsigned i = 0; i < 100; ++i) {
        ids.push_back(cops::spawn(writes_part(out, static_cast<std::byte>(i)), 9));
    }
    for (const cops::TaskId id : ids) {
        co_await cops::join(id);
    }
    std::vector<std::byte> back(1001);
    check((co_await cops::read(out, back, 0)) == 1000u, "no part was written over another");
    std::array<unsigned, 100> found{};
    for (std::size_t i = 0; i < 1000; ++i) {
        check(back[i] == back[i / 10 * 10], "a part in one piece");
        ++found[static_cast<std::size_t>(back[i])];
    }
    check(std::ranges::all_of(found, [](unsigned n) { return n == 10; }), "each part once");
    check((co_await cops::close(out)).has_value(), "close");
}

cops::Task<> refusals(const std::string& directory) {
    const cops::Result<int> missing = co_await cops::open((directory + "/none").c_str(), O_RDONLY);
    check(!missing && missing.error() == cops::Error(ENOENT), "open of a missing file");
    const cops::Result<int> ungranted = co_await cops::open("/host/none/x", O_RDONLY);
    check(!ungranted && ungranted.error() == cops::Error(ENOENT), "open of no grant");
    std::array<std::byte, 8> buffer;
    const cops::Result<std::size_t> bad = co_await cops::read(999, buffer, 0);
    check(!bad && bad.error() == cops::Error(EBADF), "read of no descriptor");
}

cops::Task<> sleeps() {
    const std::uint64_t before = cops::time_now();
    check((co_await cops::sleep_for(2ms)).has_value(), "sleep");
    check(cops::time_now() > before, "time went on");
    check((co_await cops::sleep_for(0ns)).has_value(), "sleep for nothing");
    check((co_await cops::nop()).has_value(), "nop");
}

cops::Task<int> doubled(int value) {
    co_await cops::yield();
    co_return 2 * value;
}

cops::Task<> sleeper(int& woken) {
    for (int i = 0; i < 2; ++i) {
        co_await cops::suspend();
        ++woken;
    }
}

cops::Task<> appends(std::string& log, char letter) {
    log += letter;
    co_return;
}

cops::Task<> schedules() {
    check(static_cast<bool>(cops::current()), "current() names us");
    check(cops::priority(cops::current()) == cops::kMainLevel, "at the level of main");

    auto handle = cops::spawn_joinable(doubled(21), 3);
    check((co_await handle) == 42, "result of a joined coroutine");
    check((co_await doubled(4)) == 8, "result of an awaited coroutine");

    int woken = 0;
    cops::TaskId id;
    {
        const cops::NoPreemption guard;
        id = cops::spawn(sleeper(woken), 1);
        check(cops::wake(id), "wake before it ever ran");
    }
    check(woken == 1, "left a token");
    check(cops::wake(id), "wake");
    co_await cops::join(id);
    check(woken == 2, "woke it again");
    check(!cops::wake(id), "it has ended");

    std::string log;
    const cops::TaskId a = cops::spawn(appends(log, 'a'), 40);
    const cops::TaskId b = cops::spawn(appends(log, 'b'), 30);
    const cops::TaskId c = cops::spawn(appends(log, 'c'), 35);
    check(cops::set_priority(a, 20).has_value(), "set_priority");
    for (const cops::TaskId task : {a, b, c}) {
        co_await cops::join(task);
    }
    check(log == "abc", "levels decide the order");
    check(!cops::spawn(appends(log, 'x'), 64), "level 64 is refused");
    check(cops::set_priority(a, 1).error() == cops::Error(ESRCH), "set_priority of an ended one");

    const std::uint64_t switches = cops::counters().switches;
    co_await cops::maybe_yield();
    check(cops::counters().switches == switches, "maybe_yield goes on when nothing is more urgent");
}

cops::Task<> many_at_once(const std::string& directory) {
    const cops::Result<int> fd = co_await cops::open((directory + "/input").c_str(), O_RDONLY);
    check(fd.has_value(), "open input");
    struct Reader {
        static cops::Task<> run(int file, std::size_t offset, std::atomic<int>& good) {
            std::array<std::byte, 8> buffer;
            const auto count = co_await cops::read(file, buffer, static_cast<std::int64_t>(offset));
            good += count == buffer.size() && is_pattern(buffer, offset) ? 1 : 0;
        }
    };
    constexpr int kReaders = 3000;  // More than there are slots.
    std::atomic<int> good = 0;
    std::vector<cops::TaskId> tasks;
    for (int i = 0; i < kReaders; ++i) {
        const auto offset = static_cast<std::size_t>(i) % (kInputBytes - 8);
        tasks.push_back(cops::spawn(Reader::run(*fd, offset, good), static_cast<unsigned>(i) % 64));
        check(static_cast<bool>(tasks.back()), "spawn");
    }
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    check(good == kReaders, "every read gave its own bytes");
    (void)co_await cops::close(*fd);
}

cops::Task<> nap(std::chrono::nanoseconds duration) {
    check((co_await cops::sleep_for(duration)).has_value(), "sleep");
}

// A completion that comes meanwhile is for another coroutine and no end of the call.
cops::Task<> calls_of_the_c_library() {
    std::vector<cops::TaskId> sleepers;
    for (int i = 1; i <= 20; ++i) {
        sleepers.push_back(cops::spawn(nap(std::chrono::milliseconds(i)), 1));
    }
    co_await cops::yield();  // They are in flight.
    const auto begun = std::chrono::steady_clock::now();
    check(::usleep(40'000) == 0, "usleep says that it slept");
    check(
        std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(40),
        "as long as asked"
    );
    for (const cops::TaskId id : sleepers) {
        co_await cops::join(id);
    }
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    check(argc == 2, "usage: test-api DIRECTORY");
    const std::string directory = argv[1];
    // Said before each, so that a hang shows where.
    const auto section = [](const char* name) {
        std::printf("test-api: %s\n", name);
        std::fflush(stdout);
    };
    section("schedules");
    co_await schedules();
    section("sleeps");
    co_await sleeps();
    section("reads");
    co_await reads(directory);
    section("shares a position");
    co_await share_a_position(directory);
    section("refusals");
    co_await refusals(directory);
    section("writes");
    co_await writes(directory);
    section("calls of the C library");
    co_await calls_of_the_c_library();
    section("many at once");
    co_await many_at_once(directory);
    check(cops::kernel_counters().has_value(), "kernel counters");
    std::puts("test-api: all passed");
    co_return 0;
}
