// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

/// Runs a scenario, a few threads of real code, in many interleavings, one after another and always
/// the same ones. Its threads are fibers of one thread; each atomic access is a call here
/// (explored_atomics.hpp), where the explorer may go on with another fiber, and where a load may
/// give any value that C++ allows it to: loads choose among the stores of the word that the thread
/// has not seen overwritten, and acquire, release and fences hand such knowledge on. Plain accesses
/// (plain_accesses.cpp) are checked for data races. An ordering can be weakened by its name.
namespace explorer {

/// Where in the sources an atomic access is written.
struct Site {
    const char* file;
    const char* function;
    unsigned line;

    static constexpr Site here(
        const char* file = __builtin_FILE(),
        const char* function = __builtin_FUNCTION(),
        unsigned line = __builtin_LINE()
    ) {
        return {file, function, line};
    }
};

/// What an ordering loses. `total`: its place in the one order of all sequentially consistent
/// accesses; looked at only for words that someone loads so.
enum class Part : std::uint8_t { fence, acquire, release, total };

/// One ordering that the sources ask for.
struct Ordering {
    std::string file;      // without folders
    std::string function;  // as the compiler has it, without parameters
    unsigned line = 0;
    Part part = Part::fence;
};

/// Something to wait for: a mark. What was done before post() happened before what comes after the
/// take() or wait() that takes the mark away.
class Event {
public:
    void post();
    void wait();
    /// Takes neither.
    static void wait_for_either(const Event& one, const Event& other);
    bool take();
    [[nodiscard]] bool is_set() const { return set_; }

private:
    bool set_ = false;
    unsigned knowledge_ = 0;
};

/// What a scenario sets up for one execution. All that it allocates is forgotten afterwards.
struct Execution {
    /// At most kThreads.
    std::vector<std::function<void()>> threads;
    /// Called on the way back into a thread.
    std::function<void(unsigned thread)> resumed = [](unsigned) {};
    /// Called at each access: here a thread takes its interrupts.
    std::function<void()> between_accesses = [] {};
    /// After the end of all threads: what went wrong, or nothing.
    std::function<std::string()> check = [] { return std::string(); };
};
using Scenario = std::function<void(Execution&)>;

inline constexpr unsigned kThreads = 4;

struct Limits {
    /// An execution departs from the obvious one (each thread goes on until it waits, each load
    /// reads what was stored last) at most so often.
    unsigned departures = 2;
    unsigned executions = 200'000;
};

struct Outcome {
    std::string failure;  // empty: none found
    unsigned executions = 0;
    bool complete = false;  // all executions within the departures were seen
};

/// `weakened`: the orderings to leave out.
Outcome
explore(const Scenario& scenario, const Limits& limits, std::span<const Ordering> weakened = {});

/// The orderings that were met so far in executions that weakened nothing.
std::vector<Ordering> orderings_met();
void forget_orderings();

/// The calling thread of the scenario.
unsigned this_thread();
/// Nothing to do until others have gone on.
void relax();
/// Ends the calling thread where it is.
[[noreturn]] void end_thread();
/// Ends the execution.
[[noreturn]] void fail(const std::string& why);

// ---- Accesses. Values travel as 64 bits. ----

std::uint64_t load(const void* word, unsigned size, int order, Site site);
void store(void* word, unsigned size, std::uint64_t value, int order, Site site);
using Change = std::uint64_t (*)(std::uint64_t old, std::uint64_t operand);
std::uint64_t
change(void* word, unsigned size, Change how, std::uint64_t operand, int order, Site site);
bool compare_exchange(
    void* word, unsigned size, std::uint64_t& expected, std::uint64_t desired, int order, Site site
);
void fence(int order, Site site);
void plain_access(const void* at, std::size_t bytes, bool write);

}  // namespace explorer
