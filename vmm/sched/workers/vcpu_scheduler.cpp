// SPDX-License-Identifier: Apache-2.0
#include "sched/workers/vcpu_scheduler.hpp"

#include "sched/record/recorder.hpp"
#include "sched/workers/host_thread.hpp"
#include "sched/workers/host_topology.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <span>

namespace vmm::sched {
namespace {

constexpr std::array<std::pair<std::string_view, HostMode>, 3> kHostModes{{
    {"linux", HostMode::plain},
    {"linux-nice", HostMode::nice},
    {"linux-fifo", HostMode::fifo},
}};

/// The CPUs that the workers shall keep to can be had, one for each.
Result<void> check_pin(const SchedulerOptions& options) {
    const std::vector<unsigned> allowed = allowed_cpus();
    for (const unsigned cpu : options.pin) {
        if (std::ranges::find(allowed, cpu) == allowed.end()) {
            return fail(
                ErrorKind::configuration,
                fmt::format(
                    "pin: the process may not use CPU {} of this host; accepted: {}",
                    cpu,
                    cpu_list_text(allowed)
                )
            );
        }
    }
    const unsigned threads = options.workers + (options.dispatcher ? 1 : 0);
    if (!options.pin.empty() && options.pin.size() < threads) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "pin: {} workers{} need as many CPUs, and the list has {}; accepted: {}",
                options.workers,
                options.dispatcher ? " and the dispatcher" : "",
                options.pin.size(),
                cpu_list_text(allowed)
            )
        );
    }
    return {};
}

Result<void> check_dispatcher(const SchedulerOptions& options) {
    if (options.dispatcher && host_mode(options.policy)) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "dispatcher: policy {} leaves all decisions to the host's scheduler; leave it out, "
                "or "
                "choose one of {}",
                options.policy,
                fmt::join(policy_names(), ", ")
            )
        );
    }
    if (options.dispatcher && options.workers >= kMostWorkers) {
        return fail(
            ErrorKind::configuration,
            fmt::format("dispatcher: one has up to {} workers", kMostWorkers - 1)
        );
    }
    return {};
}

}  // namespace

std::optional<HostMode> host_mode(std::string_view name) noexcept {
    const auto* found = std::ranges::find(kHostModes, name, [](const auto& m) { return m.first; });
    return found != kHostModes.end() ? std::optional(found->second) : std::nullopt;
}

std::vector<std::string_view> scheduling_names() {
    const auto policies = policy_names();
    std::vector<std::string_view> names(policies.begin(), policies.end());
    for (const auto& [name, mode] : kHostModes) {
        names.push_back(name);
    }
    return names;
}

int nice_of(const Tenant& tenant) noexcept {
    constexpr int kLeastUrgent = 19;
    return tenant.nice.value_or(std::min(tenant.base_level - kDefaultLevel, kLeastUrgent));
}

int fifo_of(const Tenant& tenant) noexcept {
    return static_cast<int>(kLevels) - tenant.base_level;
}

VcpuScheduler::VcpuScheduler(SchedulerOptions options, std::optional<HostMode> mode)
    : options_(std::move(options))
    , mode_(mode) {}

Result<std::unique_ptr<VcpuScheduler>> VcpuScheduler::create(SchedulerOptions options) {
    const auto mode = host_mode(options.policy);
    auto policy = mode ? nullptr : make_policy(options.policy, options.of_policy);
    if (!mode && policy == nullptr) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "there is no policy {}; the policies are {}",
                options.policy,
                fmt::join(scheduling_names(), ", ")
            )
        );
    }
    if (options.seed && (mode || options.workers != 1)) {
        return fail(
            ErrorKind::configuration,
            mode ? fmt::format(
                       "a deterministic run needs a policy: {} leaves vCPUs to the host",
                       options.policy
                   )
                 : fmt::format(
                       "a deterministic run has one worker, and {} are asked for", options.workers
                   )
        );
    }
    if (auto sound = check_pin(options); !sound) {
        return std::unexpected(std::move(sound.error()));
    }
    if (auto sound = check_dispatcher(options); !sound) {
        return std::unexpected(std::move(sound.error()));
    }
    if (mode && options.pin.empty()) {
        options.pin = allowed_cpus();
    }
    std::unique_ptr<VcpuScheduler> scheduler(new VcpuScheduler(std::move(options), mode));
    if (const auto& of = scheduler->options_; of.seed) {
        scheduler->virtual_run_.reset(
            new VirtualRun{.time = {}, .requests = {*of.seed, of.epoch_ns, of.tape}}
        );
    }
    if (policy != nullptr) {
        // Workers that keep to no CPU are nowhere.
        const std::span<const unsigned> pin = scheduler->options_.pin;
        const std::size_t pinned = std::min<std::size_t>(scheduler->options_.workers, pin.size());
        policy->set_topology(Topology(host_places(pin.first(pinned))));
        scheduler->make_shared_pool(std::move(policy));
    }
    return scheduler;
}

void VcpuScheduler::make_shared_pool(std::unique_ptr<Policy> policy) {
    PoolOptions pool{
        .workers = options_.workers,
        .poll_ns = options_.poll_ns,
        .virtual_time = virtual_time(),
        .latency_queue = latency_queue(),
        .input = options_.input,
    };
    pool.dispatcher = options_.dispatcher;
    pool.recorder = options_.recorder;
    facts_.grace_ns = pool.grace_ns;
    facts_.section_ns = pool.section_ns;
    facts_.tick_ns = pool.tick_ns;
    for (const unsigned cpu : options_.pin) {
        pool.threads.push_back({.cpus = {cpu}});
    }
    pools_.push_back(std::make_unique<WorkerPool>(pool, std::move(policy)));
    for (unsigned worker = 0; worker < options_.workers; ++worker) {
        places_.push_back({pools_.back().get(), worker});
    }
}

/// A worker whose vCPU runs whenever it can and the host's kernel lets it. Alone in its pool it
/// never makes way, and its guest is shown nothing, under any policy; claims decide nothing, so
/// there is no hurry to look at them.
WorkerPool& VcpuScheduler::make_pool_of_one(const HostThread& thread) {
    constexpr Nanos kNever = Nanos{1} << 62;
    PoolOptions pool{
        .workers = 1,
        .section_ns = 0,
        .poll_ns = options_.poll_ns,
        .provisional_ns = kNever,
        .threads = {thread},
        .first_worker = workers(),
        .host_scheduled = true,
        .recorder = options_.recorder,
    };
    pools_.push_back(std::make_unique<WorkerPool>(pool, make_policy("fair")));
    places_.push_back({pools_.back().get(), 0});
    return *pools_.back();
}

/// "greeter/0" on the CPUs of all. The name is cut before the vCPU's number.
HostThread VcpuScheduler::thread_of(VcpuId id, const Tenant& tenant, std::string_view guest) const {
    constexpr std::size_t kLongestName = 15;
    const std::string number = fmt::format("/{}", id.vcpu);
    HostThread thread{.name = std::string(guest.substr(0, kLongestName - number.size())) + number};
    const std::size_t cpus = std::min<std::size_t>(options_.workers, options_.pin.size());
    thread.cpus.assign(options_.pin.begin(), options_.pin.begin() + static_cast<long>(cpus));
    if (mode_ == HostMode::nice) {
        thread.nice = nice_of(tenant);
    } else if (mode_ == HostMode::fifo) {
        thread.fifo = fifo_of(tenant);
    }
    return thread;
}

VcpuScheduler::Handle VcpuScheduler::add(
    VcpuId id, VcpuPort& port, const Tenant& tenant, std::string_view guest, VcpuEntry::Core core
) {
    auto facts = std::ranges::find(facts_.guests, id.of_guest(), &RunFacts::GuestFacts::id);
    if (facts == facts_.guests.end()) {
        facts = facts_.guests.insert(
            facts, {.id = id.of_guest(), .name = std::string(guest), .terms = terms_of(tenant)}
        );
    }
    ++facts->vcpus;
    WorkerPool& pool = mode_ ? make_pool_of_one(thread_of(id, tenant, guest)) : *pools_.front();
    return pool.add(id, port, tenant, core);
}

void VcpuScheduler::want_cores(GuestId guest, unsigned vcpus) {
    for (const auto& pool : pools_) {
        pool->want_cores(guest, vcpus);
    }
}

void VcpuScheduler::forget_cores(GuestId guest) {
    for (const auto& pool : pools_) {
        pool->forget_cores(guest);
    }
}

CoreSets VcpuScheduler::cores(GuestId guest) const {
    CoreSets sets;
    for (const auto& pool : pools_) {
        const CoreSets some = pool->cores(guest);
        sets.granted |= some.granted;
        sets.revoked |= some.revoked;
    }
    return sets;
}

Result<void> VcpuScheduler::set_tenant(GuestId guest, const Tenant& tenant) {
    if (mode_) {
        return fail(
            ErrorKind::usage,
            fmt::format("policy {} leaves tenants to the host's scheduler", options_.policy)
        );
    }
    pools_.front()->set_tenant(guest, tenant);
    return {};
}

Result<void> VcpuScheduler::start() {
    if (options_.recorder != nullptr) {
        facts_.policy = options_.policy;
        facts_.of_policy = options_.of_policy;
        facts_.workers = workers();
        options_.recorder->start(facts_);
    }
    for (const auto& pool : pools_) {
        if (auto started = pool->start(); !started) {
            stop();
            return started;
        }
    }
    return {};
}

void VcpuScheduler::stop() {
    for (const auto& pool : pools_) {
        pool->stop();
    }
}

unsigned VcpuScheduler::current_worker() const noexcept {
    const WorkerPool* pool = WorkerPool::current();
    if (pool == nullptr) {
        return kNoWorker;
    }
    const unsigned worker = pool->first_worker() + pool->current_worker();
    return worker < places_.size() && places_[worker].pool == pool ? worker : kNoWorker;
}

io::Engine* VcpuScheduler::current_engine() const noexcept {
    return current_worker() != kNoWorker ? WorkerPool::current()->current_engine() : nullptr;
}

}  // namespace vmm::sched
