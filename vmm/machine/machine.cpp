// SPDX-License-Identifier: Apache-2.0
#include "machine/machine.hpp"

#include "cpu/engine.hpp"
#include "cpu/trace.hpp"
#include "machine/hart.hpp"
#include "machine/platform.hpp"
#include "machine/sbi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace vmm {
namespace {

Result<void> check_config(const MachineConfig& config) {
    if (config.cpus == 0 || config.cpus > Machine::kMaxCpus) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "{}: {} CPUs are not possible; give 1 to {}",
                config.name,
                config.cpus,
                Machine::kMaxCpus
            )
        );
    }
    // The device tree's timebase-frequency has 32 bits.
    if (config.timebase_hz == 0 || config.timebase_hz > std::numeric_limits<std::uint32_t>::max()) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "{}: a timebase of {} Hz is not possible; give 1 to 4294967295",
                config.name,
                config.timebase_hz
            )
        );
    }
    return {};
}

}  // namespace

Machine::Machine(MachineConfig config, MachineListener* listener, ConsoleOutput console)
    : config_(std::move(config))
    , listener_(listener)
    , clock_(
          config_.timebase_hz,
          config_.virtual_time != nullptr ? Clock::Source::manual : config_.clock,
          config_.virtual_time
      )
    , console_(std::move(console)) {}

Machine::~Machine() = default;

Result<std::unique_ptr<Machine>>
Machine::create(MachineConfig config, MachineListener* listener, ConsoleOutput console) {
    if (const auto sound = check_config(config); !sound) {
        return std::unexpected(sound.error());
    }
    std::unique_ptr<Machine> machine(new Machine(std::move(config), listener, std::move(console)));
    auto memory = GuestMemory::create(platform::kRam, machine->config_.memory_bytes);
    if (!memory) {
        return fail(
            memory.error().kind,
            fmt::format("{}: {}", machine->config_.name, memory.error().message)
        );
    }
    machine->memory_ = std::move(*memory);
    Machine& self = *machine;
    machine->platform_ = std::make_unique<Platform>(
        machine->config_.cpus,
        static_cast<ExternalInterruptSink&>(self),
        [&self](std::span<const char> bytes) { self.console_.write(bytes); },
        [&self](Finisher::Verdict verdict, std::uint16_t code) { self.finish(verdict, code); }
    );
    machine->sbi_ = std::make_unique<Sbi>(self);
    const auto reserved = self.bus_.reserve("RAM", platform::kRam, machine->config_.memory_bytes);
    if (!reserved) {
        return std::unexpected(reserved.error());
    }
    if (const auto connected = machine->platform_->connect(self.bus_); !connected) {
        return std::unexpected(connected.error());
    }
    return machine;
}

Result<void> Machine::add_virtio(unsigned slot, VirtioDevice& device) {
    return platform_->add_virtio(bus_, slot, device);
}

Result<void>
Machine::add_mmio(std::string name, GuestPhys base, std::uint64_t size, MmioDevice& device) {
    return bus_.add(std::move(name), base, size, device);
}

Result<std::span<std::byte>>
Machine::add_host_region(std::string name, GuestPhys base, std::uint64_t size) {
    if (const auto reserved = bus_.reserve(std::move(name), base, size); !reserved) {
        return std::unexpected(reserved.error());
    }
    return memory_->add_host_region(base, size);
}

Result<std::unique_ptr<Vcpu>> Machine::make_hart_vcpu(Hart& hart) {
    if (config_.vcpu_factory) {
        return config_.vcpu_factory(*memory_, hart, hart.index());
    }
    const EngineOptions options{
        .user_interrupts = config_.user_interrupts,
        .code_cache_bytes = config_.code_cache_bytes / config_.cpus,
        .collect_stats = config_.engine_stats,
        .interpret_first = kInterpretFirst,
        .observer = config_.code_observer,
    };
    return make_vcpu(config_.engine, *memory_, hart, hart.index(), options);
}

Result<void> Machine::assemble() {
    if (!harts_.empty()) {
        return fail(ErrorKind::internal, "a machine is put together once");
    }
    if (!config_.trace_insns.empty()) {
        auto log = TraceLog::open(config_.trace_insns);
        if (!log) {
            return std::unexpected(std::move(log.error()));
        }
        trace_ = std::move(*log);
    }
    std::vector<std::unique_ptr<Hart>> harts;
    for (unsigned index = 0; index < config_.cpus; ++index) {
        auto hart = std::make_unique<Hart>(*this, index);
        auto vcpu = make_hart_vcpu(*hart);
        if (!vcpu) {
            return std::unexpected(vcpu.error());
        }
        if (config_.virtual_time != nullptr && (*vcpu)->debug() == nullptr) {
            return fail(
                ErrorKind::unavailable,
                fmt::format(
                    "guest {}: engine {} does not stop at exact instructions, so it can't run in "
                    "virtual time",
                    config_.name,
                    (*vcpu)->engine_name()
                )
            );
        }
        if (trace_ != nullptr) {
            if ((*vcpu)->debug() == nullptr) {
                return fail(
                    ErrorKind::unavailable,
                    fmt::format(
                        "guest {}: engine {} has no steps, so it can't be traced",
                        config_.name,
                        (*vcpu)->engine_name()
                    )
                );
            }
            *vcpu = make_traced_vcpu(std::move(*vcpu), *memory_, index, trace_);
        }
        hart->adopt(std::move(*vcpu));
        harts.push_back(std::move(hart));
    }
    harts_ = std::move(harts);
    return {};
}

Result<void> Machine::boot() {
    if (const auto assembled = assemble(); !assembled) {
        return assembled;
    }
    return load_images();
}

Vcpu& Machine::vcpu(unsigned hart) noexcept {
    return harts_[hart]->vcpu();
}

ExitKind Machine::run(unsigned hart, const RunContext& context) {
    if (ended()) {
        return ExitKind::ended;
    }
    const ExitKind exit = harts_[hart]->run(context);
    console_.flush();
    if (exit == ExitKind::stopped) {
        hart_stopped();
    }
    return ended() ? ExitKind::ended : exit;
}

bool Machine::may_run(unsigned hart) const noexcept {
    return harts_[hart]->hsm_state() != HsmState::stopped;
}

void Machine::request_yield(unsigned hart) noexcept {
    harts_[hart]->request_yield();
}

/// Nobody is left who could start a hart: the guest can't go on.
void Machine::hart_stopped() {
    // Each hart looks after its own stop; the later of two that stop at once sees both.
    const std::lock_guard lock(stop_mutex_);
    const bool all = std::ranges::all_of(harts_, [](const auto& hart) {
        return hart->hsm_state() == HsmState::stopped;
    });
    if (all) {
        end({Ending::crashed, 0, "the guest stopped its last hart"});
    }
}

Outcome Machine::outcome() const {
    const std::lock_guard lock(outcome_mutex_);
    return outcome_;
}

void Machine::end(Outcome outcome) {
    {
        const std::lock_guard lock(outcome_mutex_);
        if (outcome_.ending != Ending::running) {
            return;
        }
        outcome_ = std::move(outcome);
        ended_.store(true, std::memory_order_release);
    }
    for (const auto& hart : harts_) {
        hart->vcpu().request_exit();
    }
    // No flush: run() does that, and here it would keep whoever ends the machine waiting for the
    // reader of its output.
    if (listener_ != nullptr) {
        listener_->machine_ended();
    }
}

void Machine::finish(Finisher::Verdict verdict, std::uint16_t code) {
    switch (verdict) {
    case Finisher::Verdict::pass:
        end({Ending::powered_off, 0, {}});
        break;
    case Finisher::Verdict::fail:
        // A failure that gives no code is still a failure.
        end({Ending::powered_off, std::max<std::uint32_t>(code, 1), {}});
        break;
    case Finisher::Verdict::reset:
        end({Ending::reset, 0, "the guest asked for a reset"});
        break;
    }
}

std::size_t Machine::console_input(std::span<const char> bytes) {
    return platform_->uart.push_input(bytes);
}

void Machine::flush_console() {
    console_.flush();
}

void Machine::set_steal_time(unsigned hart, Nanos stolen) noexcept {
    harts_[hart]->set_steal_time(stolen);
}

Result<void> Machine::flush_trace() {
    return trace_ != nullptr ? trace_->flush() : Result<void>{};
}

void Machine::serve_starts() {
    for (const auto& hart : harts_) {
        hart->serve_start();
    }
}

void Machine::repeat_external_interrupts() {
    platform_->plic.repeat_lines();
}

void Machine::set_external_interrupt(unsigned hart, bool asserted) {
    if (hart >= harts_.size()) {
        return;  // Not yet put together: no interrupt can be enabled.
    }
    harts_[hart]->vcpu().set_interrupt(InterruptLine::supervisor_external, asserted);
    if (asserted && listener_ != nullptr) {
        listener_->interrupt_raised(hart, WakeCause::device);
    }
}

void Machine::begin_reset() {
    for (const auto& transport : platform_->virtio) {
        if (transport != nullptr) {
            transport->begin_reset();
        }
    }
}

bool Machine::reset_finished() const noexcept {
    return std::ranges::all_of(platform_->virtio, [](const auto& transport) {
        return transport == nullptr || transport->idle();
    });
}

Result<void> Machine::reboot() {
    if (!reset_finished()) {
        return fail(ErrorKind::internal, "reboot before the devices finished their reset");
    }
    platform_->plic.reset();
    platform_->uart.reset();
    for (const auto& hart : harts_) {
        hart->reset();
    }
    if (const auto cleared = memory_->clear_ram(); !cleared) {
        return cleared;
    }
    if (const auto loaded = load_images(); !loaded) {
        return loaded;
    }
    const std::lock_guard lock(outcome_mutex_);
    outcome_ = {};
    ended_.store(false, std::memory_order_release);
    return {};
}

}  // namespace vmm
