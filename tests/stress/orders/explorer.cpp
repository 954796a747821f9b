// SPDX-License-Identifier: Apache-2.0
#include "explorer.hpp"

#include "memory.hpp"

#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace explorer {
namespace {

constexpr std::size_t kStackBytes = 256u << 10;
constexpr unsigned kMaxSteps = 20'000;  // of one execution; none that ends comes near
constexpr unsigned kPatience = 400;     // steps after which a thread that spins gives way

struct Choice {
    unsigned chosen;
    unsigned options;
    bool departs;  // others than the first one count
};

struct Fiber {
    ucontext_t context{};
    std::unique_ptr<std::byte[]> stack = std::make_unique<std::byte[]>(kStackBytes);
    bool ended = false;
    const Event* waits_for = nullptr;
    const Event* or_for = nullptr;
    unsigned loaded = 0;     // word of the last access, if that was a load,
    unsigned loads = 0;      // how often it was loaded in a row,
    unsigned loaded_at = 0;  // and when

    [[nodiscard]] bool can_run() const {
        return !ended
               && (waits_for == nullptr || waits_for->is_set()
                   || (or_for != nullptr && or_for->is_set()));
    }
};

enum class Kind : std::uint8_t { fence, load, store, change };

struct Met {
    Site site;
    int order;
    Kind kind;
    bool total;
};

/// One exploration. Fibers and the explorer itself share one thread: nothing here is atomic.
class Explorer {
public:
    Outcome
    explore(const Scenario& scenario, const Limits& limits, std::span<const Ordering> weakened);

    unsigned choose(unsigned options, bool departs);
    void step(unsigned word);
    void block(const Event& event, const Event* other);
    void give_way();
    [[noreturn]] void end_thread();
    void note_load(unsigned word);
    [[noreturn]] void fail(const std::string& why);
    int kept_order(int order, const Site& site, Part part) const;
    void meet(const Site& site, int order, Kind kind, bool total);

    bool running = false;
    unsigned thread = 0;
    Memory memory;
    std::vector<Met> met;

private:
    void execute(const Scenario& scenario);
    bool next_execution();
    void run_threads();
    void switch_to(unsigned next);
    unsigned others(std::array<unsigned, kThreads>& list) const;
    static void enter_fiber();

    std::array<Fiber, kThreads> fibers_;
    ucontext_t main_{};
    Execution* execution_ = nullptr;
    Limits limits_;
    std::span<const Ordering> weakened_;
    OwnVector<Choice> trace_;
    std::size_t position_ = 0;
    unsigned departures_ = 0;
    unsigned steps_ = 0;
    unsigned stay_ = 0;  // steps since the last switch
    std::string failure_;
};

Explorer& the() {
    static Explorer explorer;
    return explorer;
}

/// The explorer's own allocations are none of the scenario's.
class OutOfArena {
public:
    OutOfArena() { Arena::end(); }
    ~OutOfArena() { Arena::begin(); }
    OutOfArena(const OutOfArena&) = delete;
    OutOfArena& operator=(const OutOfArena&) = delete;
};

unsigned Explorer::choose(unsigned options, bool departs) {
    const bool is_choice = options > 1 && !(departs && departures_ >= limits_.departures);
    if (!is_choice) {
        return 0;
    }
    if (position_ == trace_.size()) {
        trace_.push_back({0, options, departs});
    }
    const Choice& choice = trace_[position_++];
    departures_ += choice.departs && choice.chosen != 0 ? 1 : 0;
    return choice.chosen;
}

/// The trace of the next execution: the last choice that had another option takes it.
bool Explorer::next_execution() {
    while (!trace_.empty()) {
        Choice& last = trace_.back();
        if (++last.chosen < last.options) {
            return true;
        }
        trace_.pop_back();
    }
    return false;
}

unsigned Explorer::others(std::array<unsigned, kThreads>& list) const {
    unsigned count = 0;
    const auto threads = static_cast<unsigned>(execution_->threads.size());
    for (unsigned i = 1; i < threads; ++i) {
        const unsigned other = (thread + i) % threads;
        if (fibers_[other].can_run()) {
            list[count++] = other;
        }
    }
    return count;
}

void Explorer::switch_to(unsigned next) {
    Fiber& from = fibers_[thread];
    thread = next;
    stay_ = 0;
    swapcontext(&from.context, &fibers_[next].context);
    execution_->resumed(thread);
}

/// Before an access to a word where threads meet: here another one may go on.
void Explorer::step(unsigned word) {
    if (++steps_ > kMaxSteps) {
        fail("runs for ever");
    }
    std::array<unsigned, kThreads> list{};
    if (++stay_ > kPatience) {
        if (others(list) != 0) {
            switch_to(list[0]);
        }
        return;
    }
    if (memory.is_shared(word)) {
        const unsigned count = others(list);
        const unsigned choice = count == 0 ? 0 : choose(count + 1, /*departs=*/true);
        if (choice != 0) {
            switch_to(list[choice - 1]);
        }
    }
    execution_->between_accesses();
}

void Explorer::give_way() {
    std::array<unsigned, kThreads> list{};
    if (++steps_ > kMaxSteps) {
        fail("spins for ever");
    }
    if (others(list) != 0) {
        switch_to(list[0]);
    }
}

/// Who loads one word again and again waits for another thread.
void Explorer::note_load(unsigned word) {
    Fiber& self = fibers_[thread];
    self.loads = self.loaded == word && self.loaded_at == steps_ ? self.loads + 1 : 1;
    self.loaded = word;
    self.loaded_at = steps_ + 1;  // when step() has counted this access
    if (self.loads > 2) {
        give_way();
        self.loaded_at = steps_ + 1;
    }
}

void Explorer::block(const Event& event, const Event* other) {
    Fiber& self = fibers_[thread];
    self.waits_for = &event;
    self.or_for = other;
    while (!self.can_run()) {
        std::array<unsigned, kThreads> list{};
        const unsigned count = others(list);
        if (count == 0) {
            fail("all sleep: a wake was lost");
        }
        switch_to(list[count == 1 ? 0 : choose(count, /*departs=*/false)]);
    }
    self.waits_for = nullptr;
}

void Explorer::fail(const std::string& why) {
    {
        const OutOfArena out;
        failure_ = why;
    }
    swapcontext(&fibers_[thread].context, &main_);
    std::abort();
}

void Explorer::enter_fiber() {
    Explorer& self = the();
    self.execution_->resumed(self.thread);
    self.execution_->threads[self.thread]();
    self.end_thread();
}

void Explorer::end_thread() {
    fibers_[thread].ended = true;
    std::array<unsigned, kThreads> list{};
    const unsigned count = others(list);
    if (count != 0) {
        switch_to(list[count == 1 ? 0 : choose(count, /*departs=*/false)]);
    }
    const auto all = std::span(fibers_).first(execution_->threads.size());
    if (!std::ranges::all_of(all, &Fiber::ended)) {
        fail("all others sleep: a wake was lost");
    }
    swapcontext(&fibers_[thread].context, &main_);
    std::abort();
}

void Explorer::run_threads() {
    const std::size_t threads = execution_->threads.size();
    for (std::size_t i = 0; i < threads; ++i) {
        Fiber& fiber = fibers_[i];
        fiber.ended = false;
        fiber.waits_for = nullptr;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = kStackBytes;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, &enter_fiber, 0);
    }
    running = true;
    thread = 0;
    steps_ = stay_ = 0;
    thread = choose(static_cast<unsigned>(threads), /*departs=*/false);
    swapcontext(&main_, &fibers_[thread].context);
    running = false;
}

void Explorer::execute(const Scenario& scenario) {
    Arena::reset();
    Arena::begin();
    auto* const execution = new Execution;  // of the arena, as all that it owns
    scenario(*execution);
    execution_ = execution;
    position_ = 0;
    departures_ = 0;
    memory.restart(static_cast<unsigned>(execution->threads.size()));
    run_threads();
    if (failure_.empty()) {
        const std::string why = execution->check();
        Arena::end();
        failure_ = std::string(why.begin(), why.end());
    }
    Arena::end();
    memory.restore_statics();
}

Outcome Explorer::explore(
    const Scenario& scenario, const Limits& limits, std::span<const Ordering> weakened
) {
    weakened_ = weakened;
    limits_ = limits;
    failure_.clear();
    memory.begin();
    Outcome outcome;
    // What is found with few departures is found soon. Which words are shared shows on the way, and
    // with one more there are more places to switch at: then from the beginning.
    for (limits_.departures = 0; limits_.departures <= limits.departures;) {
        const unsigned shared = memory.shared_words();
        trace_.clear();
        do {
            if (++outcome.executions > limits.executions) {
                return outcome;
            }
            execute(scenario);
            if (!failure_.empty()) {
                outcome.failure = failure_;
                return outcome;
            }
        } while (memory.shared_words() == shared && next_execution());
        if (memory.shared_words() == shared) {
            ++limits_.departures;
        }
    }
    outcome.complete = true;
    return outcome;
}

// ---- Weakening
// ------------------------------------------------------------------------------

std::string_view base_name(const char* path) {
    const char* const slash = std::strrchr(path, '/');
    return slash == nullptr ? path : slash + 1;
}

bool acquires(int order) {
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL
           || order == __ATOMIC_SEQ_CST;
}
bool releases(int order) {
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/// Whether this part of an access's order holds.
int Explorer::kept_order(int order, const Site& site, Part part) const {
    const bool weakened = std::ranges::any_of(weakened_, [&](const Ordering& one) {
        return one.line == site.line && one.part == part && base_name(site.file) == one.file;
    });
    return weakened ? __ATOMIC_RELAXED : order;
}

void Explorer::meet(const Site& site, int order, Kind kind, bool total) {
    if (order == __ATOMIC_RELAXED || !weakened_.empty()) {
        return;
    }
    const auto same = std::ranges::find_if(met, [&](const Met& other) {
        return other.site.line == site.line && other.order == order && other.kind == kind
               && std::strcmp(other.site.file, site.file) == 0;
    });
    if (same != met.end()) {
        same->total = same->total || total;
        return;
    }
    const OutOfArena out;
    met.push_back({site, order, kind, total});
}

struct Kept {
    bool acquire;
    bool release;
    bool total;
};

Kept order_of(int order, const Site& site, unsigned word, Kind kind) {
    Explorer& self = the();
    const bool total = order == __ATOMIC_SEQ_CST;
    if (total && kind == Kind::load) {
        self.memory.note_total_load(word);
    }
    self.meet(site, order, kind, total && self.memory.is_totally_loaded(word));
    return {
        .acquire = kind != Kind::store && acquires(self.kept_order(order, site, Part::acquire)),
        .release = kind != Kind::load && releases(self.kept_order(order, site, Part::release)),
        .total = self.kept_order(order, site, Part::total) == __ATOMIC_SEQ_CST,
    };
}

std::uint64_t read(const void* word, unsigned size) {
    std::uint64_t value = 0;
    std::memcpy(&value, word, size);
    return value;
}

void check_race(const void* word, bool write, const Site& site) {
    if (!the().memory.atomic_is_no_race(the().thread, word, write)) {
        fail(
            "race with a plain access at " + std::string(base_name(site.file)) + ":"
            + std::to_string(site.line)
        );
    }
}

}  // namespace

Outcome
explore(const Scenario& scenario, const Limits& limits, std::span<const Ordering> weakened) {
    return the().explore(scenario, limits, weakened);
}

std::vector<Ordering> orderings_met() {
    std::vector<Ordering> all;
    const auto add = [&](const Met& one, Part part) {
        all.push_back(
            {std::string(base_name(one.site.file)), one.site.function, one.site.line, part}
        );
    };
    for (const Met& one : the().met) {
        if (one.kind == Kind::fence) {
            add(one, Part::fence);
            continue;
        }
        if (one.kind != Kind::store && acquires(one.order)) {
            add(one, Part::acquire);
        }
        if (one.kind != Kind::load && releases(one.order)) {
            add(one, Part::release);
        }
        if (one.total) {
            add(one, Part::total);
        }
    }
    return all;
}

void forget_orderings() {
    the().met.clear();
}

unsigned this_thread() {
    return the().thread;
}

void relax() {
    if (the().running) {
        the().give_way();
    }
}

void end_thread() {
    the().end_thread();
}

void fail(const std::string& why) {
    the().fail(why);
}

void Event::post() {
    set_ = true;
    if (the().running) {
        knowledge_ = the().memory.tell(the().thread, knowledge_);
    }
}

void Event::wait() {
    the().block(*this, nullptr);
    take();
}

void Event::wait_for_either(const Event& one, const Event& other) {
    the().block(one, &other);
}

bool Event::take() {
    if (!set_) {
        return false;
    }
    set_ = false;
    if (the().running) {
        the().memory.learn(the().thread, std::exchange(knowledge_, 0));
    }
    return true;
}

std::uint64_t load(const void* word, unsigned size, int order, Site site) {
    Explorer& self = the();
    if (!self.running) {
        return read(word, size);
    }
    const unsigned number = self.memory.word_of(word);
    const Kept kept = order_of(order, site, number, Kind::load);
    self.note_load(number);
    self.step(number);
    check_race(word, false, site);
    const unsigned choices = self.memory.choices(self.thread, number, word, size, kept.total);
    const unsigned age = self.choose(choices, /*departs=*/true);
    return self.memory.load(self.thread, number, age, kept.acquire);
}

void store(void* word, unsigned size, std::uint64_t value, int order, Site site) {
    Explorer& self = the();
    if (self.running) {
        const unsigned number = self.memory.word_of(word);
        const Kept kept = order_of(order, site, number, Kind::store);
        self.step(number);
        check_race(word, true, site);
        self.memory.choices(self.thread, number, word, size, false);
        self.memory.store(
            self.thread,
            number,
            value,
            {.release = kept.release, .total = kept.total, .change = false}
        );
    }
    std::memcpy(word, &value, size);
}

namespace {

/// Reads the newest value and, when `condition` is null or its value, stores another one.
std::uint64_t read_and_write(
    void* word,
    unsigned size,
    const std::uint64_t* condition,
    Change how,
    std::uint64_t operand,
    int order,
    Site site
) {
    Explorer& self = the();
    if (!self.running) {
        const std::uint64_t old = read(word, size);
        const std::uint64_t value = how(old, operand);
        if (condition == nullptr || *condition == old) {
            std::memcpy(word, &value, size);
        }
        return old;
    }
    const unsigned number = self.memory.word_of(word);
    const Kept kept = order_of(order, site, number, Kind::change);
    self.step(number);
    const bool writes = condition == nullptr || *condition == read(word, size);
    check_race(word, writes, site);
    self.memory.choices(self.thread, number, word, size, false);
    const std::uint64_t old = self.memory.load(self.thread, number, 0, writes && kept.acquire);
    if (writes) {
        const std::uint64_t value = how(old, operand);
        self.memory.store(
            self.thread,
            number,
            value,
            {.release = kept.release, .total = kept.total, .change = true}
        );
        std::memcpy(word, &value, size);
    }
    return old;
}

}  // namespace

std::uint64_t
change(void* word, unsigned size, Change how, std::uint64_t operand, int order, Site site) {
    return read_and_write(word, size, nullptr, how, operand, order, site);
}

bool compare_exchange(
    void* word, unsigned size, std::uint64_t& expected, std::uint64_t desired, int order, Site site
) {
    const std::uint64_t wanted = expected;
    const auto replace = [](std::uint64_t, std::uint64_t operand) { return operand; };
    expected = read_and_write(word, size, &wanted, replace, desired, order, site);
    return expected == wanted;
}

void fence(int order, Site site) {
    Explorer& self = the();
    if (!self.running) {
        return;
    }
    self.meet(site, order, Kind::fence, /*total=*/false);
    const int kept = self.kept_order(order, site, Part::fence);
    self.memory.fence(self.thread, acquires(kept), releases(kept), kept == __ATOMIC_SEQ_CST);
}

void plain_access(const void* at, std::size_t bytes, bool write) {
    Explorer& self = the();
    if (self.running && bytes != 0 && !self.memory.plain(self.thread, at, bytes, write)) {
        fail(std::string("race of a plain ") + (write ? "write" : "read"));
    }
}

}  // namespace explorer
