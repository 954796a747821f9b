// SPDX-License-Identifier: Apache-2.0
#include "fleet/guest.hpp"

#include "io/seeded.hpp"

#include <spdlog/spdlog.h>

#include <string_view>
#include <utility>

namespace vmm {
namespace {

// Status with which the COPS kernel powers off when it is asked to (guest-kernel/proc/exit.cpp).
constexpr std::uint32_t kTerminated = 128 + 15;

// Level of the completion whose interrupt the calling thread is raising; kNoLevel outside of that.
thread_local Level interrupt_level = kNoLevel;
// The raising reached a vCPU.
thread_local bool interrupt_taken = false;

std::string_view name_of(Ending ending) {
    switch (ending) {
    case Ending::running:
        return "running";
    case Ending::powered_off:
        return "powered off";
    case Ending::reset:
        return "asked for a reset";
    case Ending::crashed:
        return "crashed";
    case Ending::panicked:
        return "panicked";
    case Ending::stopped:
        return "stopped";
    case Ending::failed:
        return "failed";
    }
    return "ended";
}

MachineConfig machine_config(const GuestConfig& config) {
    MachineConfig machine;
    machine.name = config.name;
    machine.cpus = machine_cpus(config);
    machine.memory_bytes = config.memory_bytes;
    machine.engine = config.engine;
    machine.code_cache_bytes = config.code_cache_bytes;
    machine.engine_stats = config.engine_stats;
    machine.user_interrupts = config.user_interrupts;
    machine.kernel = config.kernel;
    machine.initrds = config.initrds;
    machine.initrd_bytes = config.initrd_bytes;
    machine.cmdline = config.cmdline;
    machine.timebase_hz = config.timebase_hz;
    machine.dump_dtb = config.dump_dtb;
    machine.trace_insns = config.trace_insns;
    return machine;
}

}  // namespace

Guest::Guest(
    const GuestConfig& config,
    std::uint32_t index,
    sched::VcpuScheduler& pool,
    std::function<void()> changed
)
    : config_(config)
    , index_(index)
    , pool_(pool)
    , changed_(std::move(changed)) {}

Result<std::unique_ptr<Guest>> Guest::create(
    const GuestConfig& config,
    std::uint32_t index,
    sched::VcpuScheduler& pool,
    std::shared_ptr<PerfMap> perf_map,
    ConsoleOutput console,
    std::function<void()> changed
) {
    std::unique_ptr<Guest> guest(new Guest(config, index, pool, std::move(changed)));
    if (auto built = guest->build(std::move(perf_map), std::move(console)); !built) {
        return std::unexpected(std::move(built.error()));
    }
    return guest;
}

Result<void> Guest::build(std::shared_ptr<PerfMap> perf_map, ConsoleOutput console) {
    auto grants = io::open_grants(config_.grants);
    if (!grants) {
        return fail(
            grants.error().kind, fmt::format("{}: {}", config_.name, grants.error().message)
        );
    }
    MachineConfig of_machine = machine_config(config_);
    of_machine.virtual_time = pool_.virtual_time();
    of_machine.seed = io::seeded(pool_.seed(), index_);
    if (perf_map != nullptr) {
        code_names_ = std::make_unique<GuestCodeNames>(
            std::move(perf_map), config_.name, config_.symbol_files
        );
        of_machine.code_observer = code_names_.get();
    }
    auto machine = Machine::create(std::move(of_machine), this, std::move(console));
    if (!machine) {
        return std::unexpected(std::move(machine.error()));
    }
    machine_ = std::move(*machine);
    io_ = std::make_unique<GuestIo>(
        pool_, index_, std::move(*grants), static_cast<OperationSink&>(*this)
    );
    if (auto added = add_device(); !added) {
        return added;
    }
    for (unsigned hart = 0; hart < machine_cpus(config_); ++hart) {
        using Core = sched::VcpuEntry::Core;
        ports_.push_back(std::make_unique<Port>(*this, hart));
        vcpus_.push_back(pool_.add(
            {.guest = index_, .vcpu = hart},
            *ports_.back(),
            config_.tenant,
            config_.name,
            hart < config_.cpus ? Core::own : Core::none
        ));
    }
    io_->set_home_worker(pool_.worker_of(vcpus_.front()));
    auto loaded = config_.saved_state.empty()
                      ? machine_->boot()
                      : machine_->load(std::as_bytes(std::span(config_.saved_state)));
    if (!loaded || config_.gdb.empty()) {
        return loaded;
    }
    debug_ = std::make_unique<GuestDebug>(*machine_, changed_, [this] {
        stop_asked_.store(true, std::memory_order_release);
        machine_->end({Ending::stopped, 0, "ended by the debugger"});
    });
    return debug_->listen(config_.gdb, config_.name);
}

Result<void> Guest::add_device() {
    auto host_page = machine_->add_host_region("cops host page", kCopsHostPage, kCopsRegionSize);
    if (!host_page) {
        return std::unexpected(std::move(host_page.error()));
    }
    virtio_cops::DeviceOptions options;
    options.num_vcpus = machine_cpus(config_);
    options.own_vcpus = config_.cpus;
    options.boards = config_.boards;
    options.user_interrupts = config_.boards && config_.user_interrupts;
    options.max_handles = config_.open_files;
    for (const io::OpenGrant& grant : io_->grants()) {
        options.grants.push_back({
            .name = grant.name,
            .directory = grant.kind == Grant::Kind::directory,
            .writable = grant.writable,
        });
    }
    device_ = std::make_unique<CopsDevice>(
        std::move(options),
        config_.cops_device_id,
        machine_->memory(),
        *host_page,
        static_cast<CopsHost&>(*this)
    );
    if (config_.boards) {
        auto added = machine_->add_mmio("cops doorbells", kCopsDoorbell, kCopsRegionSize, *device_);
        if (!added) {
            return added;
        }
    }
    return machine_->add_virtio(0, *device_);
}

// ---- Life -----------------------------------------------------------------------------------

void Guest::start(Nanos now) {
    {
        const std::lock_guard lock(outcome_mutex_);
        started_ = now;
    }
    // What a saved driver had offered and its device had not taken yet: nobody notifies again.
    device_->set_paused(false);
    if (debug_ == nullptr) {
        put_into_pool();
    } else {
        debug_->start_server();
        hold();
    }
}

void Guest::put_into_pool() {
    phase_ = Phase::running;
    in_pool_.store(machine_cpus(config_), std::memory_order_relaxed);
    for (unsigned hart = 0; hart < machine_cpus(config_); ++hart) {
        pool_.revive(vcpus_[hart], false);
    }
    // Now that all are in the pool, no start that one hart gives another is lost.
    spdlog::debug("[{}/-] engine {}", config_.name, machine_->vcpu(0).engine_name());
    for (unsigned hart = 0; hart < machine_cpus(config_); ++hart) {
        const bool runs = machine_->may_run(hart) && (debug_ == nullptr || debug_->may_run(hart));
        spdlog::debug("[{}/{}] {}", config_.name, hart, runs ? "started" : "waits to be started");
        if (runs) {
            pool_.start_vcpu(vcpus_[hart]);
        }
    }
}

void Guest::take_out_of_pool() {
    for (const auto vcpu : vcpus_) {
        pool_.remove(vcpu);
    }
}

bool Guest::advance() {
    Phase before = phase_;
    do {
        before = phase_;
        advance_save();
        if (debug_ != nullptr) {
            advance_debug();
        }
        advance_pause();
        advance_end();
    } while (phase_ != before);  // a guest that was booted again may have to pause
    return phase_ == Phase::ended;
}

void Guest::advance_end() {
    if (phase_ == Phase::running && machine_->ended()) {
        phase_ = Phase::leaving;
        take_out_of_pool();
    }
    // left() acquires: the last worker that ran the guest is done with it.
    if (phase_ == Phase::leaving && left()) {
        phase_ = Phase::draining;
        machine_->begin_reset();
    }
    if (phase_ == Phase::draining && machine_->reset_finished()) {
        Outcome outcome = machine_->outcome();
        const bool again = outcome.ending == Ending::reset && config_.reboot && !end_was_asked();
        if (again) {
            if (const auto rebooted = reboot(); !rebooted) {
                outcome = {Ending::failed, 0, "reboot: " + rebooted.error().message};
            } else {
                return;
            }
        }
        finish(std::move(outcome));
    }
}

/// Saving: the vCPUs leave, what is in flight completes, the machine is written down, the vCPUs
/// come back. A guest that ends meanwhile is not saved.
void Guest::advance_save() {
    if (!save_asked_.load(std::memory_order_acquire)) {
        return;
    }
    if (phase_ == Phase::running && !machine_->ended()) {
        phase_ = Phase::saving;
        device_->set_paused(true);
        take_out_of_pool();
    }
    if (phase_ == Phase::saving && left() && (machine_->ended() || device_->idle())) {
        if (machine_->ended()) {
            phase_ = Phase::leaving;
        } else {
            auto saved = machine_->save();
            put_into_pool();
            if (saved) {
                const auto* bytes = reinterpret_cast<const std::uint8_t*>(saved->data());
                answer_save(std::vector(bytes, bytes + saved->size()));
            } else {
                answer_save(std::unexpected(std::move(saved.error())));
            }
        }
        device_->set_paused(false);
    }
    // While a debugger holds the guest, who wants to save it waits.
    if (phase_ == Phase::leaving || phase_ == Phase::draining || phase_ == Phase::ended) {
        answer_save(fail(ErrorKind::usage, fmt::format("guest {} has ended", config_.name)));
    }
}

/// For a debugger the vCPUs leave the pool, and come back when it says so.
void Guest::advance_debug() {
    if (phase_ == Phase::running && debug_->hold_wanted() && !machine_->ended()) {
        phase_ = Phase::holding;
        take_out_of_pool();
    }
    if (phase_ == Phase::holding && left()) {
        if (machine_->ended()) {
            phase_ = Phase::leaving;
        } else {
            hold();
        }
    }
    if (phase_ == Phase::held && machine_->ended()) {
        machine_->clock().resume();
        phase_ = Phase::leaving;
    }
    if (phase_ == Phase::held && debug_->take_resume()) {
        machine_->clock().resume();
        put_into_pool();
    }
}

/// No vCPU is in the pool. The guest's time stands still for as long.
void Guest::hold() {
    phase_ = Phase::held;
    machine_->clock().pause();
    machine_->serve_starts();
    debug_->held();
}

void Guest::answer_save(SavedState saved) {
    save_asked_.store(false, std::memory_order_release);
    const std::lock_guard lock(outcome_mutex_);
    if (save_) {
        save_->set_value(std::move(saved));
        save_.reset();
    }
}

Guest::SavedState Guest::save() {
    std::future<SavedState> saved;
    {
        const std::lock_guard lock(outcome_mutex_);
        const bool paused = pause_wanted_.load(std::memory_order_relaxed);
        if (save_ || ended_ != 0 || paused) {
            const std::string_view why = ended_ != 0 ? "has ended"
                                         : paused    ? "is paused; resume it first"
                                                     : "is being saved already";
            return fail(ErrorKind::usage, fmt::format("guest {} {}", config_.name, why));
        }
        saved = save_.emplace().get_future();
    }
    save_asked_.store(true, std::memory_order_release);
    changed_();
    return saved.get();
}

Result<void> Guest::reboot() {
    spdlog::info("[{}/-] rebooting", config_.name);
    if (auto rebooted = machine_->reboot(); !rebooted) {
        return rebooted;
    }
    if (debug_ != nullptr) {
        debug_->rebooted();
    }
    pool_.forget_cores({.guest = index_});
    put_into_pool();
    if (stop_asked_.load(std::memory_order_acquire)) {
        stop();  // it may have found a machine that had ended already
    }
    return {};
}

void Guest::finish(Outcome outcome) {
    phase_ = Phase::ended;
    pool_.forget_cores({.guest = index_});
    if (outcome.ending == Ending::reset && end_was_asked()) {
        outcome = {Ending::stopped, 0, {}};
    }
    if (outcome.ending == Ending::powered_off && outcome.status == kTerminated
        && power_off_asked_.load(std::memory_order_acquire)) {
        outcome = {Ending::stopped, kTerminated, "powered off as it was asked to"};
    }
    if (debug_ != nullptr) {
        debug_->ended(outcome);
    }
    if (const auto traced = machine_->flush_trace(); !traced) {
        spdlog::error("[{}/-] {}", config_.name, traced.error().message);
    }
    spdlog::info(
        "[{}/-] {}, status {}{}{}",
        config_.name,
        name_of(outcome.ending),
        outcome.status,
        outcome.message.empty() ? "" : ": ",
        outcome.message
    );
    const std::lock_guard lock(outcome_mutex_);
    outcome_ = std::move(outcome);
    ended_ = pool_.time_now();
    if (save_) {
        save_->set_value(fail(ErrorKind::usage, fmt::format("guest {} has ended", config_.name)));
        save_.reset();
    }
}

bool Guest::end_was_asked() const noexcept {
    return stop_asked_.load(std::memory_order_acquire)
           || power_off_asked_.load(std::memory_order_acquire);
}

void Guest::stop() {
    stop_asked_.store(true, std::memory_order_release);
    if (io::LatencyQueue* requests = pool_.latency_queue(); requests != nullptr) {
        requests->abandon(index_);
    }
    machine_->end({Ending::stopped, 0, {}});
}

// ---- MachineListener ------------------------------------------------------------------------

void Guest::vcpu_started(unsigned hart) noexcept {
    spdlog::debug("[{}/{}] started by another hart", config_.name, hart);
    if (debug_ == nullptr || debug_->may_run(hart)) {
        pool_.start_vcpu(vcpus_[hart]);
    }
}

void Guest::interrupt_raised(unsigned hart, WakeCause cause) noexcept {
    if (cause == WakeCause::device) {
        interrupted_hart_.store(hart, std::memory_order_relaxed);
        interrupt_taken = true;
        trace_delivery(hart);
    }
    const bool ipi = cause == WakeCause::ipi;
    const auto why = ipi ? sched::WakeCause::call : sched::WakeCause::interrupt;
    pool_.wake(vcpus_[hart], why, interrupt_level);
}

void Guest::machine_ended() noexcept {
    changed_();
}

// ---- CopsHost -------------------------------------------------------------------------------

void Guest::submit() {
    if (pool_.virtual_time() != nullptr) {
        pool_.kick_current();  // so that its requests start now, and not when the run ends
    } else if (io::Engine* engine = pool_.current_engine(); engine != nullptr) {
        engine->flush();
        engine->reap();  // what was there at once (cached files) is delivered at once
    }
}

void Guest::wake(unsigned vcpu, Level level) {
    // Without boards the host is blind to levels, those of requests included: the base level
    // counts.
    const Level shown = config_.boards ? level : kNoLevel;
    trace_delivery(vcpu);
    pool_.wake(vcpus_[vcpu], sched::WakeCause::completion, shown);
}

void Guest::kick(unsigned vcpu) {
    pool_.kick(vcpus_[vcpu]);
}

void Guest::begin_interrupt(Level level) {
    interrupt_level = config_.boards ? level : kNoLevel;
    interrupt_taken = false;
}

void Guest::end_interrupt() {
    if (!interrupt_taken && interrupt_level < kLevels) {
        // The line was up already; the vCPU that will take it now has more urgent work.
        const unsigned hart = interrupted_hart_.load(std::memory_order_relaxed);
        trace_delivery(hart);
        pool_.wake(vcpus_[hart], sched::WakeCause::completion, interrupt_level);
    }
    interrupt_level = kNoLevel;
}

void Guest::needs_reset(const char* why) {
    // A guest may do so as fast as it can reset the device.
    constexpr Nanos kInterval = 1'000'000'000;
    const Nanos now = pool_.time_now();
    Nanos next = next_protocol_warning_.load(std::memory_order_relaxed);
    if (now < next
        || !next_protocol_warning_.compare_exchange_strong(
            next, now + kInterval, std::memory_order_relaxed
        )) {
        return;
    }
    spdlog::warn("[{}/-] virtio-cops: the driver broke the protocol: {}", config_.name, why);
}

Nanos Guest::now() {
    return pool_.time_now();
}

// ---- Port -----------------------------------------------------------------------------------

ExitKind Guest::Port::run(const RunContext& context) {
    GuestDebug* debug = guest_.debug_.get();
    if (debug != nullptr && debug->hold_wanted()) {
        return ExitKind::stopped;  // until the control thread takes it out of the pool
    }
    if (guest_.device_->take_post(hart_)) {
        vcpu().raise_user_interrupt();
    }
    ExitKind exit = guest_.pool_.virtual_time() == nullptr ? guest_.machine_->run(hart_, context)
                                                           : run_in_virtual_time(context);
    if (debug != nullptr) {
        exit = debug->after_run(hart_, exit);
    }
    const VcpuCounters now = vcpu().counters();
    counters_.instructions.store(now.instructions, std::memory_order_relaxed);
    counters_.supervisor_traps.store(now.supervisor_traps, std::memory_order_relaxed);
    counters_.user_interrupts.store(now.user_interrupts, std::memory_order_relaxed);
    counters_.sbi_calls.store(now.sbi_calls, std::memory_order_relaxed);
    counters_.mmio_exits.store(now.mmio_exits, std::memory_order_relaxed);
    if (exit == ExitKind::stopped) {
        spdlog::debug("[{}/{}] stopped", guest_.config_.name, hart_);
    }
    return exit;
}

void Guest::Port::request_exit() noexcept {
    vcpu().request_exit();
}

bool Guest::Port::has_work() {
    return vcpu().has_pending_interrupt() || guest_.device_->has_post(hart_);
}

Nanos Guest::Port::timer_deadline() {
    return vcpu().timer_deadline();
}

sched::ClaimSample Guest::Port::sample() {
    const virtio_cops::Claim claim = guest_.device_->sample(hart_);
    if (!claim.present) {
        return {};
    }
    return {
        .level = claim.level,
        .running = claim.running,
        .timer_level = claim.timer_level,
        .irq_level = claim.irq_level,
        .critical = claim.critical,
        .board = claim.board,
        .line = claim.line,
        .wake_pending = claim.wake_pending,
    };
}

void Guest::Port::publish(
    Level ring_level, Level yield_level, std::uint64_t waiting, std::uint64_t siblings
) {
    guest_.device_->publish(hart_, ring_level, yield_level, waiting, siblings);
}

void Guest::Port::set_steal_time(Nanos stolen) {
    steal_.store(stolen, std::memory_order_relaxed);
    guest_.machine_->set_steal_time(hart_, stolen);
}

EngineStats Guest::Port::stats() const {
    const std::lock_guard lock(stats_mutex_);
    return stats_;
}

void Guest::Port::left_pool() {
    {
        const std::lock_guard lock(stats_mutex_);
        stats_ = vcpu().stats();
    }
    // Release: pairs with the acquire load in advance(). The guest may be gone once the control
    // thread sees zero, so the callback is copied out first.
    const auto changed = guest_.changed_;
    guest_.in_pool_.fetch_sub(1, std::memory_order_release);
    changed();
}

VcpuCounters Guest::Port::counters() const noexcept {
    return {
        .instructions = counters_.instructions.load(std::memory_order_relaxed),
        .supervisor_traps = counters_.supervisor_traps.load(std::memory_order_relaxed),
        .user_interrupts = counters_.user_interrupts.load(std::memory_order_relaxed),
        .sbi_calls = counters_.sbi_calls.load(std::memory_order_relaxed),
        .mmio_exits = counters_.mmio_exits.load(std::memory_order_relaxed),
    };
}

}  // namespace vmm
