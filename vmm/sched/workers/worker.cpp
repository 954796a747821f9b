// SPDX-License-Identifier: Apache-2.0
// The worker threads: pick, run, look, account; sleep when there is nothing to run.
#include "sched/workers/worker.hpp"

#include "sched/workers/clock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <future>

namespace vmm::sched {
namespace {

using State = VcpuEntry::State;

// The worker that the thread is; null on other threads.
thread_local const WorkerPool* this_pool = nullptr;
thread_local unsigned this_worker = ~0U;
thread_local io::Engine* this_engine = nullptr;

}  // namespace

const WorkerPool* WorkerPool::current() noexcept {
    return this_pool;
}

VcpuStatus WorkerPool::status(Handle vcpu) const {
    const std::lock_guard guard(lock_);
    return {vcpu->state, policy_->effective_level(vcpu->id)};
}

io::Engine* WorkerPool::current_engine() const noexcept {
    return this_pool == this ? this_engine : nullptr;
}

unsigned WorkerPool::current_worker() const noexcept {
    return this_pool == this ? this_worker : ~0U;
}

HostThread WorkerPool::thread_of(const Worker& worker) const {
    HostThread thread;
    if (worker.index < options_.threads.size()) {
        thread = options_.threads[worker.index];
    }
    if (thread.name.empty()) {
        thread.name = &worker == dispatcher_.get() ? std::string("cops-dispatch")
                                                   : fmt::format("cops-w{}", worker.index);
    }
    return thread;
}

Result<void> WorkerPool::start() {
    std::vector<std::future<Result<void>>> started;
    const auto start = [&](Worker& worker, void (WorkerPool::*body)(Worker&)) {
        std::promise<Result<void>> promise;
        started.push_back(promise.get_future());
        worker.thread = std::thread([this, &worker, body, up = std::move(promise)]() mutable {
            if (auto applied = apply_to_this_thread(thread_of(worker)); !applied) {
                up.set_value(std::unexpected(std::move(applied.error())));
                return;
            }
            auto engine = io::Engine::create(options_.engine);
            if (!engine) {
                up.set_value(std::unexpected(engine.error()));
                return;
            }
            worker.engine = std::move(*engine);
            this_pool = this;
            this_worker = worker.index;
            this_engine = worker.engine.get();
            up.set_value({});
            (this->*body)(worker);
        });
    };
    for (const auto& worker : workers_) {
        start(*worker, &WorkerPool::work);
    }
    if (dispatcher_ != nullptr) {
        start(*dispatcher_, &WorkerPool::dispatch);
    }
    Result<void> result;
    for (auto& future : started) {
        if (auto one = future.get(); !one) {
            result = std::move(one);
        }
    }
    if (!result) {
        stop();
    }
    return result;
}

void WorkerPool::stop() {
    std::vector<Worker*> all;
    for (const auto& worker : workers_) {
        all.push_back(worker.get());
    }
    if (dispatcher_ != nullptr) {
        all.push_back(dispatcher_.get());
    }
    {
        const std::lock_guard guard(lock_);
        stopping_ = true;
        news_.fetch_add(1, std::memory_order_relaxed);
        for (Worker* const worker : all) {
            if (worker->engine != nullptr) {
                worker->engine->wake();
            }
        }
    }
    for (Worker* const worker : all) {
        if (worker->thread.joinable()) {
            worker->thread.join();
        }
    }
}

void WorkerPool::work(Worker& worker) {
    for (;;) {
        run_tasks(worker);
        reap(worker);
        Turn turn;
        VcpuEntry* entry = nullptr;
        {
            const std::lock_guard guard(lock_);
            if (stopping_) {
                return;
            }
            turn.now = time_now();
            fire_timers(turn.now);
            allocate_cores(turn.now);
            // In virtual time how often a worker without work looks is no part of the run.
            if (ready_count_ != 0 || options_.virtual_time == nullptr) {
                entry = next_turn(worker, turn);
            }
        }
        if (entry != nullptr) {
            worker.only_input = false;
            end_wait(worker, turn.now);
            run_turn(worker, *entry, turn);
        } else if (options_.virtual_time == nullptr) {
            if (!poll(worker)) {
                sleep(worker);
            }
        } else if (!skip_idle_time() && !take_input(worker, true)) {
            sleep(worker);
        }
    }
}

/// Delivers what has completed: in the host's time, or in that of a deterministic run.
void WorkerPool::reap(Worker& worker) {
    worker.engine->reap();
    if (options_.latency_queue != nullptr) {
        options_.latency_queue->deliver(time_now(), *worker.engine);
    }
}

/// When the run has to come out for a completion; the host's make it come out by themselves.
Nanos WorkerPool::next_completion() const {
    return options_.latency_queue != nullptr ? options_.latency_queue->next_due() : ~Nanos{0};
}

/// Of a deterministic run: goes on to the next moment at which there is something to do. False:
/// that is up to the world outside.
bool WorkerPool::skip_idle_time() {
    const std::lock_guard guard(lock_);
    if (ready_count_ != 0 || !workers_.front()->tasks.empty() || stopping_) {
        return true;
    }
    const Nanos next = std::min(next_timer(), next_completion());
    if (next == ~Nanos{0}) {
        return false;
    }
    options_.virtual_time->advance_to(next);
    return true;
}

/// Of a deterministic run: gives guests what was typed. Where only that makes the worker go on it
/// looks for it as often as the host wakes it, so those occasions are not counted. True: there was
/// something.
bool WorkerPool::take_input(Worker& worker, bool idle) {
    if (options_.input == nullptr || (worker.only_input && !idle)) {
        return false;
    }
    worker.only_input = idle;
    worker.rounds += idle ? 0 : 1;
    bool any = false;
    while (options_.input->deliver(worker.rounds, idle)) {
        worker.rounds = 0;
        any = true;
    }
    worker.only_input = idle && !any;
    return any;
}

VcpuEntry* WorkerPool::next_turn(Worker& worker, Turn& turn) {
    return dispatcher_ == nullptr ? pick(worker, turn) : take_handed(worker, turn);
}

/// Whether a worker that looks around would find a vCPU to run.
bool WorkerPool::has_turn(const Worker& worker) const {
    if (dispatcher_ == nullptr) {
        return ready_count_ != 0;
    }
    return &worker == dispatcher_.get() ? ready_count_ != 0 && free_.first()
                                        : worker.handed.has_value();
}

void WorkerPool::run_tasks(Worker& worker) {
    take_input(worker, false);
    std::vector<Task> tasks;
    {
        const std::lock_guard guard(lock_);
        tasks.swap(worker.tasks);
    }
    for (const Task& task : tasks) {
        task(*worker.engine);
    }
}

VcpuEntry* WorkerPool::pick(Worker& worker, Turn& turn) {
    const auto decision = policy_->pick(worker.index, turn.now);
    if (!decision) {
        return nullptr;
    }
    VcpuEntry& entry = find(decision->id);
    --ready_count_;
    entry.times.wait_ns += turn.now - entry.since;
    entry.times.wait_at[entry.sample.level] += turn.now - entry.since;
    entry.times.switches += worker.previous != &entry ? 1 : 0;
    entry.state = State::running;
    WaitList::remove(entry.wait);
    entry.begun = true;
    entry.woken = entry.kicked = false;
    entry.last_worker = worker.index;
    worker.current = &entry;
    worker.previous = &entry;
    entry.since_run = turn.now;
    turn.started = turn.now;
    turn.cpu_time = options_.host_scheduled ? thread_cpu_time() : 0;
    turn.end = turn.now + decision->slice_ns;
    turn.level = entry.sample.level;
    if (recorder_ != nullptr) [[unlikely]] {
        record_turn(turn);
    }
    decide_publication(entry, turn);
    if (ready_count_ != 0 && dispatcher_ == nullptr) {
        call_worker(worker.index);
    }
    return &entry;
}

/// A turn: the vCPU runs, comes out for whatever reason, is looked at, and runs on until its slice
/// ends, it waits, or somebody more urgent needs the worker.
void WorkerPool::run_turn(Worker& worker, VcpuEntry& entry, Turn& turn) {
    VcpuPort& port = entry.port;
    port.set_steal_time(entry.times.wait_ns);
    for (;;) {
        // From here on a post makes run() return; what came before would wait for the turn's end.
        run_tasks(worker);
        port.publish(turn.ring_level, turn.yield_level, turn.waiting, turn.siblings);
        const RunContext context{
            .deadline = std::min(turn.deadline, next_completion()),
            .ring_flags = worker.engine->ring_flags(),
            .ring_mask = worker.engine->ring_mask(),
        };
        const ExitKind exit = port.run(context);
        if (!after_run(worker, entry, turn, exit)) {
            return;
        }
    }
}

/// True: the vCPU goes on with its turn.
bool WorkerPool::after_run(Worker& worker, VcpuEntry& entry, Turn& turn, ExitKind exit) {
    VcpuPort& port = entry.port;
    reap(worker);
    if (turn.siblings != 0) {
        look_at_siblings(entry);
    }
    ClaimSample sample = port.sample();
    const bool unseen = exit == ExitKind::interrupted && port.has_work();
    if (unseen) {
        // Its kernel has not seen the interrupt yet, so its claim does not tell of it.
        sample.level = std::min(sample.level, sample.irq_level);
    }
    bool must_run = exit == ExitKind::interrupted;
    Nanos timer = ~Nanos{0};
    if (exit == ExitKind::idle) {
        must_run = port.has_work();
        timer = port.timer_deadline();
    }
    std::unique_lock guard(lock_);
    turn.now = time_now();
    entry.kicked = false;
    entry.provisional = false;
    entry.called = entry.called && unseen;
    if (recorder_ != nullptr) [[unlikely]] {
        record_look(worker, entry, turn, exit, sample);
    }
    account_run(entry, turn, sample);
    if (is_overdue(entry)) {
        sample.level = kLeastLevel;
        sample.critical = false;
    }
    change_claim(entry, sample, turn.now);
    allocate_cores(turn.now);
    if (entry.leaving || exit == ExitKind::ended) {
        end_turn(worker, entry, turn, State::ended);
        guard.unlock();
        port.left_pool();  // the port may be gone after this
        return false;
    }
    if (exit == ExitKind::yielded) {
        ++entry.times.yields;
        end_turn(worker, entry, turn, State::ready);
        return false;
    }
    if (!must_run && !entry.woken) {
        const bool idle = exit == ExitKind::idle;
        end_turn(worker, entry, turn, idle ? State::idle : State::stopped);
        if (idle) {
            arm_timer(entry, timer);
        } else {
            give_back(entry, turn.now);
        }
        return false;
    }
    entry.woken = false;
    fire_timers(turn.now);
    return turn_goes_on(worker, entry, turn);
}

void WorkerPool::account_run(VcpuEntry& entry, Turn& turn, const ClaimSample& sample) {
    // A sample at the end of a stretch is what a clock tick would have found; a vCPU that went idle
    // shows nothing any more, and what it began with counts.
    const Level level = sample.running < kLevels ? sample.running : turn.level;
    const Nanos passed = turn.now - entry.since_run;
    Nanos ran = passed;
    if (options_.host_scheduled) {
        const Nanos cpu_time = thread_cpu_time();
        ran = std::min(passed, cpu_time - turn.cpu_time);
        turn.cpu_time = cpu_time;
    }
    entry.times.run_ns += ran;
    entry.times.run_at[level] += ran;
    account_leaving(entry, ran);
    entry.times.wait_ns += passed - ran;
    entry.times.wait_at[entry.sample.level] += passed - ran;
    entry.since_run = turn.now;
    turn.level = std::min(sample.running, sample.level);
}

namespace {

// In a critical section a vCPU is looked at again soon, to see whether it has left it.
constexpr Nanos kLook = 10'000;

}  // namespace

/// Who would have to stop is in a critical section of its guest: stopped there, it could keep
/// others of the guest waiting for as long as more urgent work has its worker. It gets a little
/// longer, no more than once a turn, and is looked at again soon.
bool WorkerPool::finishes_section(const VcpuEntry& entry, Turn& turn) const {
    if (!entry.sample.critical) {
        return false;
    }
    if (turn.section_end == 0) {
        turn.section_end = turn.now + options_.section_ns;
    }
    turn.deadline = std::min(turn.section_end, turn.now + kLook);
    return turn.now < turn.section_end;
}

/// It ran at a level that it inherits for as long as that protects it. It keeps the level, and
/// competes for the worker with all that wait.
bool WorkerPool::borrowed_enough(const VcpuEntry& entry, const Turn& turn) const {
    return turn.borrowed != 0 && turn.now - turn.borrowed >= options_.section_ns
           && ready_count_ != 0 && entry.awaited && policy_->inherits(entry.id);
}

bool WorkerPool::turn_goes_on(Worker& worker, VcpuEntry& entry, Turn& turn) {
    if (borrowed_enough(entry, turn)) {
        end_turn(worker, entry, turn, State::ready);
        return false;
    }
    if (turn.now >= turn.end) {
        if (finishes_section(entry, turn)) {
            return true;
        }
        end_turn(worker, entry, turn, State::ready);
        return false;
    }
    const auto preemption = policy_->preempt(turn.now);
    if (preemption && preemption->victim == entry.id) {
        const bool asks = preemption->ask && entry.sample.critical;
        if (!asks || (turn.grace_end != 0 && turn.now >= turn.grace_end)) {
            if (finishes_section(entry, turn)) {
                return true;
            }
            ++entry.times.preemptions;
            end_turn(worker, entry, turn, State::ready);
            return false;
        }
        if (turn.grace_end == 0) {
            turn.grace_end = turn.now + options_.grace_ns;
            entry.asked = true;
        }
    } else {
        turn.grace_end = 0;
        entry.asked = false;
        if (preemption) {
            ask_to_look(find(preemption->victim));
        }
    }
    decide_publication(entry, turn);
    return true;
}

void WorkerPool::end_turn(Worker& worker, VcpuEntry& entry, Turn& turn, State next) {
    entry.helped = false;
    entry.awaited = is_awaited(entry);
    policy_->apply({
        .kind = next == State::ready ? EventKind::ran : EventKind::idle,
        .time_ns = turn.now,
        .id = entry.id,
        .level = entry.sample.level,
        .worker = worker.index,
        .ran_ns = turn.now - turn.started,
        .awaited = entry.awaited,
    });
    worker.current = nullptr;
    worker.times.busy_ns += turn.now - turn.started;
    entry.asked = false;
    entry.state = next;
    if (next == State::ready) {
        begin_waiting(entry, turn.now);
    } else if (next == State::ended) {
        apply(EventKind::remove, entry, turn.now, kNoLevel);
    }
}

/// What the guest is shown while it runs, and until when it runs. It rings when its claim becomes
/// more urgent than the sample, and only while others wait: else nothing would change. Only the
/// vCPU that would have to make way is asked to yield to the best level that waits.
void WorkerPool::decide_publication(const VcpuEntry& entry, Turn& turn) const {
    const bool hidden = entry.tenant.hides_others;
    turn.waiting = hidden ? 0 : policy_->waiting_levels(entry.id.of_guest());
    turn.siblings = policy_->waiting_siblings(entry.id);
    // Whether it must ring tells whether others wait.
    turn.ring_level = turn.waiting != 0 || hidden ? entry.sample.level : 0;
    turn.yield_level = kNoLevel;
    if ((turn.waiting | turn.siblings) != 0 && policy_->first_to_yield() == entry.id) {
        const auto best = static_cast<Level>(std::countr_zero(turn.waiting));
        // In the guest's own scale: a claim that counts for less, cut at the ceiling or for want of
        // budget, is less urgent than all that waits above the level that it is cut to.
        const Level mine = policy_->effective_level(entry.id);
        const Level cut = entry.sample.level < mine ? mine : entry.tenant.ceiling;
        // It is its urgent work that goes first: when it comes down to the level that waits, what
        // it had at that level before is one of several, whose turn their queue decides.
        const auto limit = [mine](Level waits) {
            return mine < waits ? static_cast<Level>(waits - 1) : waits;
        };
        if (turn.waiting != 0) {
            turn.yield_level = best < cut ? 0 : limit(best);
        }
        if (turn.siblings != 0) {
            const auto sibling = static_cast<Level>(std::countr_zero(turn.siblings));
            // Not before: at one level siblings take turns, and who left the turn each time that
            // its urgent work is done would lose its place each time.
            turn.yield_level = std::min(turn.yield_level, sibling);
        }
    }
    // However long the turn: what time alone changes is looked at once a tick.
    turn.deadline = std::min(turn.end, turn.now + options_.tick_ns);
    if (turn.grace_end != 0) {
        turn.deadline = std::min(turn.deadline, turn.grace_end);
    }
    if (ready_count_ != 0 && entry.awaited && policy_->inherits(entry.id)) {
        turn.borrowed = turn.borrowed != 0 ? turn.borrowed : turn.now;
        const Nanos look = turn.now + std::max(kLook, (turn.now - turn.borrowed) / 2);
        const Nanos enough = turn.borrowed + options_.section_ns;
        turn.deadline = std::min(turn.deadline, enough > turn.now ? std::min(look, enough) : look);
    }
    if (entry.provisional) {
        turn.deadline = std::min(turn.deadline, turn.now + options_.provisional_ns);
    }
    if (timekeeper_ == nullptr) {
        turn.deadline = std::min(turn.deadline, next_timer());
    }
    turn.deadline = std::min(turn.deadline, core_deadline());
}

/// Looks for work a little longer: cheaper than to sleep and be woken. True: there may be some.
/// While it counts in polling_ others rely on it, so it only looks.
bool WorkerPool::poll(Worker& worker) {
    Nanos timer = 0;
    std::uint64_t seen = 0;
    const Nanos begin = monotonic_now();
    if (worker.idle_since == 0) {
        worker.idle_since = begin;
        worker.poll_end = begin + worker.governor.begin_wait();
    }
    if (begin >= worker.poll_end) {
        return false;
    }
    {
        const std::lock_guard guard(lock_);
        if (has_turn(worker) || !worker.tasks.empty() || stopping_) {
            return true;
        }
        ++polling_;
        seen = news_.load(std::memory_order_relaxed);
        timer = next_timer();
    }
    bool found = false;
    Nanos now = begin;
    while (!found && now < worker.poll_end) {
        // The lock orders what is found; here only that there is something.
        found = worker.engine->has_news() || news_.load(std::memory_order_relaxed) != seen;
        now = monotonic_now();
        found = found || timer <= now;
    }
    const std::lock_guard guard(lock_);
    --polling_;
    worker.times.poll_ns += now - begin;
    record_rest(worker, begin, now, false);
    return found;
}

/// What a worker waited for is there, or it slept and was woken.
void WorkerPool::end_wait(Worker& worker, Nanos now) {
    if (worker.idle_since != 0) {
        // What a dispatcher hands over it may have picked before the worker began to wait.
        worker.governor.end_wait(now - std::min(now, worker.idle_since), now < worker.poll_end);
        worker.idle_since = 0;
    }
}

void WorkerPool::sleep(Worker& worker) {
    Nanos deadline = ~Nanos{0};
    {
        const std::lock_guard guard(lock_);
        const bool input = options_.input != nullptr && options_.input->waits();
        if (has_turn(worker) || !worker.tasks.empty() || stopping_ || input) {
            return;
        }
        sleeping_.insert(worker.index);
        // In virtual time nobody sleeps: it waits for who ends the run.
        worker.times.sleeps += options_.virtual_time == nullptr ? 1 : 0;
        // One of the sleepers wakes for the timers. While none sleeps, those that run vCPUs do. Or
        // the dispatcher always does.
        if (timekeeper_ == nullptr) {
            timekeeper_ = &worker;
        }
        if (timekeeper_ == &worker) {
            deadline = next_timer();
        }
    }
    const Nanos begin = recorder_ != nullptr ? monotonic_now() : 0;
    worker.engine->wait(deadline);
    const Nanos now = monotonic_now();
    end_wait(worker, now);
    if (options_.virtual_time == nullptr) {
        record_rest(worker, begin, now, true);
    }
    const std::lock_guard guard(lock_);
    sleeping_.erase(worker.index);
    if (timekeeper_ == &worker && dispatcher_ == nullptr) {
        timekeeper_ = nullptr;
    }
}

}  // namespace vmm::sched
