// SPDX-License-Identifier: Apache-2.0
#include "cpu/engine.hpp"
#include "fleet/console_tape.hpp"
#include "fleet/determinism.hpp"
#include "fleet/guest.hpp"
#include "fleet/records.hpp"
#include "sched/workers/host_thread.hpp"
#include "sched/workers/vcpu_scheduler.hpp"

#include <vmm/fleet.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace vmm {
namespace {

constexpr unsigned kMostWorkers = 256;
constexpr unsigned kMostThreads = 1024;     // of vCPUs, where each has one
constexpr unsigned kMostOpenFiles = 65535;  // virtio-cops: a handle's index has 16 bits

/// How many threads run vCPUs.
unsigned host_threads(const FleetConfig& config) {
    if (!sched::host_mode(config.policy)) {
        return config.workers;
    }
    unsigned vcpus = 0;
    for (const GuestConfig& guest : config.guests) {
        vcpus += machine_cpus(guest);
    }
    return vcpus;
}

/// Not an error, but who asked for it may not know the machine.
void warn_of_few_cpus(const FleetConfig& config) {
    const std::size_t cpus = sched::allowed_cpus().size();
    if (config.workers <= cpus) {
        return;
    }
    if (sched::host_mode(config.policy)) {
        spdlog::warn(
            "vCPUs were to have {} CPUs, but the process may use {} of this host: they have those",
            config.workers,
            cpus
        );
    } else {
        spdlog::warn(
            "{} workers share the {} CPUs that the process may use of this host: one that the host "
            "takes off keeps its vCPU waiting, however urgent",
            config.workers,
            cpus
        );
    }
}

Result<void> check_shares(const FleetConfig& config, std::uint64_t shares) {
    if (const std::uint64_t most = std::uint64_t{1000} * config.workers; shares > most) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "the guaranteed shares of all guests are {} permille of one CPU, but {} worker{} "
                "ha{} {}; give less, or more workers",
                shares,
                config.workers,
                config.workers == 1 ? "" : "s",
                config.workers == 1 ? "s" : "ve",
                most
            )
        );
    }
    return {};
}

Result<void> check(const FleetConfig& config) {
    if (config.guests.empty()) {
        return fail(ErrorKind::configuration, "a fleet needs a guest");
    }
    if (config.workers == 0 || config.workers > kMostWorkers) {
        return fail(
            ErrorKind::configuration,
            fmt::format("{} workers are not possible; give 1 to {}", config.workers, kMostWorkers)
        );
    }
    if (const unsigned threads = host_threads(config); threads > kMostThreads) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "policy {} has a thread for each vCPU, and {} are not possible; at most {}",
                config.policy,
                threads,
                kMostThreads
            )
        );
    }
    if (!config.record_decisions.empty() && sched::host_mode(config.policy)) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "under policy {} the host's scheduler decides, and its decisions cannot be "
                "recorded; give a policy of cops",
                config.policy
            )
        );
    }
    if (config.quantum_ns != 0 && config.policy != "rr") {
        return fail(
            ErrorKind::configuration,
            fmt::format("policy {} has no quantum; only rr has one", config.policy)
        );
    }
    if (std::ranges::all_of(config.guests, &GuestConfig::background)) {
        return fail(
            ErrorKind::configuration,
            "every guest is in the background, so the fleet would end at once; at least one must "
            "not be"
        );
    }
    if (auto possible = check_determinism(config); !possible) {
        return possible;
    }
    std::set<std::string_view> names;
    std::uint64_t shares = 0;
    for (const GuestConfig& guest : config.guests) {
        if (!names.insert(guest.name).second) {
            return fail(
                ErrorKind::configuration, fmt::format("two guests have the name {}", guest.name)
            );
        }
        if (const auto wrong = contradiction(guest.tenant, guest.cpus); !wrong.empty()) {
            return fail(ErrorKind::configuration, fmt::format("{}: {}", guest.name, wrong));
        }
        if (guest.max_cpus != 0 && guest.max_cpus < guest.cpus) {
            return fail(
                ErrorKind::configuration,
                fmt::format(
                    "{}: at most {} CPUs are fewer than its own {}; give {} or more",
                    guest.name,
                    guest.max_cpus,
                    guest.cpus,
                    guest.cpus
                )
            );
        }
        shares += guest.tenant.share;
        if (guest.open_files == 0 || guest.open_files > kMostOpenFiles) {
            return fail(
                ErrorKind::configuration,
                fmt::format(
                    "{}: {} open files are not possible; give 1 to {}",
                    guest.name,
                    guest.open_files,
                    kMostOpenFiles
                )
            );
        }
    }
    return check_shares(config, shares);
}

/// Cuts what the guests may open to what the process may, so that none can use up what another,
/// or the process itself, needs.
void share_open_files(FleetConfig& config) {
    ::rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return;
    }
    constexpr std::uint64_t kOwn = 64;        // standard streams, logs, reports, libraries
    constexpr std::uint64_t kEachWorker = 4;  // ring, event
    constexpr std::uint64_t kEachGuest = 4;   // memory
    std::uint64_t taken = kOwn + kEachWorker * host_threads(config);
    for (const GuestConfig& guest : config.guests) {
        taken += kEachGuest + guest.grants.size();
    }
    const std::uint64_t left = limit.rlim_cur > taken ? limit.rlim_cur - taken : 0;
    const std::uint64_t share = std::max<std::uint64_t>(left / config.guests.size(), 1);
    std::vector<std::string_view> cut;
    unsigned wanted = 0;
    for (GuestConfig& guest : config.guests) {
        if (guest.open_files > share) {
            wanted = std::max(wanted, guest.open_files);
            guest.open_files = static_cast<unsigned>(share);
            cut.push_back(guest.name);
        }
    }
    if (!cut.empty()) {
        const bool one = cut.size() == 1;
        spdlog::warn(
            "{} may open {} files instead of {}{}: the process may open {} (ulimit -n)",
            one ? fmt::format("[{}]", cut[0]) : fmt::format("each of {} guests", cut.size()),
            share,
            one ? "" : "up to ",
            wanted,
            limit.rlim_cur
        );
    }
}

}  // namespace

std::vector<std::string_view> available_policies() {
    return sched::scheduling_names();
}

std::vector<std::string_view> available_engines() {
    constexpr std::string_view kSeparator = ", ";
    std::vector<std::string_view> names;
    std::string_view rest = engine_names();
    for (;;) {
        const std::size_t end = rest.find(kSeparator);
        names.push_back(rest.substr(0, end));
        if (end == std::string_view::npos) {
            return names;
        }
        rest.remove_prefix(end + kSeparator.size());
    }
}

struct Fleet::Impl {
    FleetConfig config;
    std::unique_ptr<sched::Recorder> recorder;  // null: nothing is recorded
    std::unique_ptr<io::InputTape> tape;        // null: no input is, nor replayed
    std::unique_ptr<ConsoleTape> typed;         // of `tape`
    std::unique_ptr<sched::VcpuScheduler> scheduler;
    std::vector<std::unique_ptr<Guest>> guests;  // destroyed before the scheduler
    std::thread control;                         // none in a deterministic run
    std::vector<bool> ended;  // by guest; of whoever leads them through their ends

    mutable std::mutex mutex;
    std::condition_variable signal;  // of both below
    bool changed = false;            // a guest wants to be looked at
    std::size_t running = 0;         // guests that have not ended
    bool started = false;
    Nanos start_time = 0;
    Nanos end_time = 0;

    void mark_changed() {
        const std::lock_guard lock(mutex);
        if (scheduler->virtual_time() != nullptr && !changed) {
            // There the worker does it, at its next look around, which is the same in every run.
            scheduler->post(0, [this](io::Engine&) { look_at_guests(); });
        }
        changed = true;
        signal.notify_all();
    }

    /// Ends the guests in the background when all others have ended.
    void stop_background() {
        for (std::size_t i = 0; i < guests.size(); ++i) {
            if (!ended[i] && !config.guests[i].background) {
                return;
            }
        }
        for (std::size_t i = 0; i < guests.size(); ++i) {
            if (!ended[i]) {
                guests[i]->stop();
            }
        }
        mark_changed();
    }

    /// Leads guests through the ends of their lives.
    void look_at_guests() {
        {
            const std::lock_guard lock(mutex);
            changed = false;
        }
        std::size_t ended_now = 0;
        for (std::size_t i = 0; i < guests.size(); ++i) {
            if (!ended[i] && guests[i]->advance()) {
                ended[i] = true;
                ++ended_now;
            }
        }
        if (ended_now != 0) {
            stop_background();
            const std::lock_guard lock(mutex);
            running -= ended_now;
            end_time = scheduler->time_now();
            signal.notify_all();
        }
    }

    /// The control thread: does so off the workers.
    void run_control() {
        pthread_setname_np(pthread_self(), "cops-fleet");
        std::unique_lock lock(mutex);
        while (running != 0) {
            signal.wait(lock, [this] { return changed; });
            lock.unlock();
            look_at_guests();
            lock.lock();
        }
    }

    void start_guests() {
        if (typed != nullptr) {
            typed->begin();
        }
        for (const auto& guest : guests) {
            guest->start(start_time);
        }
    }
};

Fleet::Fleet()
    : impl_(std::make_unique<Impl>()) {}

Fleet::~Fleet() {
    stop();
    wait();
    if (impl_->control.joinable()) {
        impl_->control.join();
    }
    if (impl_->scheduler != nullptr) {
        impl_->scheduler->stop();
    }
    if (impl_->recorder != nullptr) {
        finish_records(*impl_->recorder);
    }
    if (impl_->tape != nullptr) {
        if (const auto finished = impl_->tape->finish(); !finished) {
            spdlog::error("{}", finished.error().message);
        }
    }
    impl_->guests.clear();
}

Result<std::unique_ptr<Fleet>> Fleet::create(const FleetConfig& config, ConsoleSink console) {
    if (auto sound = check(config); !sound) {
        return std::unexpected(std::move(sound.error()));
    }
    sched::PolicyOptions of_policy;
    if (config.quantum_ns != 0) {
        of_policy.quantum_ns = config.quantum_ns;
    }
    auto recorder = make_recorder(config);
    if (!recorder) {
        return std::unexpected(std::move(recorder.error()));
    }
    auto tape = make_tape(config);
    if (!tape) {
        return std::unexpected(std::move(tape.error()));
    }
    std::unique_ptr<Fleet> fleet(new Fleet);
    Impl& impl = *fleet->impl_;
    if (*tape != nullptr) {
        impl.typed = std::make_unique<ConsoleTape>(
            **tape,
            [&impl](std::size_t guest, std::span<const char> bytes) {
                return guest < impl.guests.size() ? impl.guests[guest]->console_input(bytes) : 0;
            }
        );
    }
    auto scheduler = sched::VcpuScheduler::create(
        {.workers = config.workers,
         .policy = config.policy,
         .of_policy = of_policy,
         .poll_ns = config.poll_ns,
         .pin = config.pin,
         .dispatcher = config.dispatcher,
         .recorder = recorder->get(),
         .seed = config.seed,
         .epoch_ns = kDeterministicEpoch,
         .tape = tape->get(),
         .input = impl.typed.get()}
    );
    if (!scheduler) {
        return std::unexpected(std::move(scheduler.error()));
    }
    warn_of_few_cpus(config);
    impl.tape = std::move(*tape);
    impl.config = config;
    share_open_files(impl.config);
    impl.recorder = std::move(*recorder);
    impl.scheduler = std::move(*scheduler);
    std::shared_ptr<PerfMap> perf_map;
    if (config.perf_map) {
        auto opened = PerfMap::open();
        if (!opened) {
            return std::unexpected(std::move(opened.error()));
        }
        perf_map = std::move(*opened);
    }
    const auto sink = std::make_shared<ConsoleSink>(std::move(console));
    for (std::size_t i = 0; i < config.guests.size(); ++i) {
        auto guest = Guest::create(
            impl.config.guests[i],
            static_cast<std::uint32_t>(i),
            *impl.scheduler,
            perf_map,
            [sink, i](std::span<const char> bytes) {
                if (*sink) {
                    (*sink)(i, bytes);
                }
            },
            [&impl] { impl.mark_changed(); }
        );
        if (!guest) {
            return std::unexpected(std::move(guest.error()));
        }
        impl.guests.push_back(std::move(*guest));
    }
    return fleet;
}

Result<void> Fleet::start() {
    Impl& impl = *impl_;
    if (impl.started) {
        return fail(ErrorKind::usage, "a fleet starts once");
    }
    if (auto started = impl.scheduler->start(); !started) {
        return started;
    }
    impl.started = true;
    {
        const std::lock_guard lock(impl.mutex);
        impl.running = impl.guests.size();
        impl.start_time = impl.scheduler->time_now();
    }
    impl.ended.resize(impl.guests.size());
    if (impl.scheduler->virtual_time() != nullptr) {
        // On the worker, so that it begins with all guests there.
        impl.scheduler->post(0, [&impl](io::Engine&) { impl.start_guests(); });
        return {};
    }
    impl.start_guests();
    impl.control = std::thread([&impl] { impl.run_control(); });
    return {};
}

void Fleet::wait() {
    std::unique_lock lock(impl_->mutex);
    impl_->signal.wait(lock, [this] { return impl_->running == 0; });
}

bool Fleet::wait_for(Nanos timeout) {
    std::unique_lock lock(impl_->mutex);
    return impl_->signal.wait_for(lock, std::chrono::nanoseconds(timeout), [this] {
        return impl_->running == 0;
    });
}

void Fleet::stop() {
    if (impl_->started) {
        for (const auto& guest : impl_->guests) {
            guest->stop();
        }
        impl_->mark_changed();
    }
}

void Fleet::stop(std::size_t guest) {
    if (impl_->started && guest < impl_->guests.size()) {
        impl_->guests[guest]->stop();
        impl_->mark_changed();
    }
}

bool Fleet::ask_power_off(std::size_t guest) {
    return impl_->started && guest < impl_->guests.size() && impl_->guests[guest]->ask_power_off();
}

Result<void> Fleet::pause(std::size_t guest) {
    if (!impl_->started || guest >= impl_->guests.size()) {
        return fail(ErrorKind::usage, fmt::format("no guest {} runs", guest));
    }
    return impl_->guests[guest]->set_paused(true);
}

Result<void> Fleet::resume(std::size_t guest) {
    if (!impl_->started || guest >= impl_->guests.size()) {
        return fail(ErrorKind::usage, fmt::format("no guest {} runs", guest));
    }
    return impl_->guests[guest]->set_paused(false);
}

Result<void> Fleet::set_tenant(std::size_t guest, const Tenant& tenant) {
    Impl& impl = *impl_;
    if (!impl.started || guest >= impl.guests.size()) {
        return fail(ErrorKind::usage, fmt::format("no guest {} runs", guest));
    }
    const std::lock_guard lock(impl.mutex);
    GuestConfig& config = impl.config.guests[guest];
    if (const auto wrong = contradiction(tenant, config.cpus); !wrong.empty()) {
        return fail(ErrorKind::configuration, fmt::format("{}: {}", config.name, wrong));
    }
    std::uint64_t shares = tenant.share;
    for (const GuestConfig& other : impl.config.guests) {
        shares += &other == &config ? 0 : other.tenant.share;
    }
    if (auto sound = check_shares(impl.config, shares); !sound) {
        return sound;
    }
    auto set = impl.scheduler->set_tenant({.guest = static_cast<std::uint32_t>(guest)}, tenant);
    if (set) {
        config.tenant = tenant;
    }
    return set;
}

std::size_t Fleet::console_input(std::size_t guest, std::span<const char> bytes) {
    if (guest >= impl_->guests.size()) {
        return 0;
    }
    if (impl_->typed == nullptr) {
        return impl_->guests[guest]->console_input(bytes);
    }
    const std::size_t taken = impl_->typed->push(guest, bytes);
    impl_->scheduler->wake_for_input();
    return taken;
}

Result<std::vector<std::uint8_t>> Fleet::save(std::size_t guest) {
    if (!impl_->started || guest >= impl_->guests.size()) {
        return fail(ErrorKind::usage, fmt::format("no guest {} runs", guest));
    }
    return impl_->guests[guest]->save();
}

std::string Fleet::debugger_address(std::size_t guest) const {
    return guest < impl_->guests.size() ? impl_->guests[guest]->debugger_address() : std::string();
}

GuestState Fleet::state(std::size_t guest) const {
    return impl_->guests.at(guest)->state();
}

FleetReport Fleet::report() const {
    const Impl& impl = *impl_;
    FleetReport report;
    report.policy = impl.config.policy;
    report.workers = impl.config.workers;
    for (const auto& guest : impl.guests) {
        report.guests.push_back(guest->report(impl.start_time));
    }
    {
        const std::lock_guard lock(impl.mutex);
        const Nanos end = impl.running != 0 ? impl.scheduler->time_now() : impl.end_time;
        report.wall_ns = end - impl.start_time;
        for (std::size_t i = 0; i < report.guests.size(); ++i) {
            report.guests[i].tenant = impl.config.guests[i].tenant;
            report.guests[i].budget_left_ns =
                impl.scheduler->budget_left({.guest = static_cast<std::uint32_t>(i)});
        }
    }
    for (unsigned worker = 0; worker < impl.scheduler->workers(); ++worker) {
        const sched::WorkerTimes times = impl.scheduler->worker_times(worker);
        report.worker_times.push_back({times.busy_ns, times.poll_ns, times.sleeps});
    }
    return report;
}

std::string Fleet::describe() const {
    const Impl& impl = *impl_;
    std::string text;
    {
        const std::lock_guard lock(impl.mutex);
        text = fmt::format(
            "fleet under policy {}: {} of {} guests have not ended{}\n",
            impl.config.policy,
            impl.running,
            impl.guests.size(),
            impl.changed ? ", one waits to be looked at" : ""
        );
    }
    for (unsigned worker = 0; worker < impl.scheduler->workers(); ++worker) {
        text += fmt::format("  worker {}: {}\n", worker, impl.scheduler->describe_worker(worker));
    }
    for (const auto& guest : impl.guests) {
        text += guest->describe();
    }
    return text;
}

}  // namespace vmm
