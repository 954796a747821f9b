// SPDX-License-Identifier: Apache-2.0
#include "cpu/trace.hpp"

#include "cpu/clock.hpp"
#include "cpu/riscv/decode.hpp"
#include "cpu/riscv/disassemble.hpp"
#include "cpu/riscv/page_walk.hpp"
#include "cpu/riscv/trap_handlers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace vmm {
namespace {

using riscv::State;

/// CSRs whose changes are shown. Not those that change by themselves: sip and the counters.
struct ShownCsr {
    std::string_view name;
    std::uint64_t State::* value;
};
constexpr std::array kShownCsrs{
    ShownCsr{"fcsr", &State::fcsr},
    ShownCsr{"sstatus", &State::sstatus},
    ShownCsr{"sie", &State::sie},
    ShownCsr{"stvec", &State::stvec},
    ShownCsr{"scounteren", &State::scounteren},
    ShownCsr{"senvcfg", &State::senvcfg},
    ShownCsr{"sscratch", &State::sscratch},
    ShownCsr{"sepc", &State::sepc},
    ShownCsr{"scause", &State::scause},
    ShownCsr{"stval", &State::stval},
    ShownCsr{"stimecmp", &State::stimecmp},
    ShownCsr{"satp", &State::satp},
    ShownCsr{"sedeleg", &State::sedeleg},
    ShownCsr{"sideleg", &State::sideleg},
    ShownCsr{"utvec", &State::utvec},
    ShownCsr{"uscratch", &State::uscratch},
    ShownCsr{"uepc", &State::uepc},
    ShownCsr{"ucause", &State::ucause},
    ShownCsr{"utval", &State::utval},
    ShownCsr{"utimecmp", &State::utimecmp},
};

void append_changes(std::string& line, const State& before, const State& after) {
    auto changed = [&line, first = true](std::string_view name, std::uint64_t to) mutable {
        fmt::format_to(std::back_inserter(line), "{}{}=0x{:x}", first ? "" : " ", name, to);
        first = false;
    };
    for (unsigned n = 1; n < 32; ++n) {
        if (before.x[n] != after.x[n]) {
            changed(riscv::x_name(n), after.x[n]);
        }
    }
    for (unsigned n = 0; n < 32; ++n) {
        if (before.f[n] != after.f[n]) {
            changed(riscv::f_name(n), after.f[n]);
        }
    }
    for (const ShownCsr& csr : kShownCsrs) {
        if (before.*csr.value != after.*csr.value) {
            changed(csr.name, after.*csr.value);
        }
    }
}

char letter(riscv::Privilege privilege) {
    return privilege == riscv::Privilege::user ? 'U' : 'S';
}

class TracedVcpu final : public Vcpu, public VcpuDebug {
public:
    TracedVcpu(
        std::unique_ptr<Vcpu> vcpu,
        const GuestMemory& memory,
        unsigned hart,
        std::shared_ptr<TraceLog> log
    )
        : vcpu_(std::move(vcpu))
        , engine_(*vcpu_->debug())
        , memory_(memory)
        , hart_(hart)
        , log_(std::move(log)) {}

    ExitKind run(const RunContext& context) override {
        State before = vcpu_->save();
        for (unsigned steps = 0;; ++steps) {
            if (limit_ == 0) {
                return ExitKind::counted;
            }
            if (before.stopped == 0 && std::ranges::binary_search(breakpoints_, before.pc)) {
                return ExitKind::breakpoint;
            }
            // The engine looks at the clock now and then; one step is too short for that.
            constexpr unsigned kStepsPerClock = 64;
            if (steps % kStepsPerClock == kStepsPerClock - 1
                && monotonic_now() >= context.deadline) {
                return ExitKind::interrupted;
            }
            const ExitKind exit = step(context, before);
            if (exit != ExitKind::counted && exit != ExitKind::breakpoint) {
                return exit;
            }
        }
    }

    void request_exit() noexcept override { vcpu_->request_exit(); }
    void set_interrupt(InterruptLine line, bool asserted) noexcept override {
        vcpu_->set_interrupt(line, asserted);
    }
    std::uint64_t post_fence(FenceKind kind) noexcept override { return vcpu_->post_fence(kind); }
    bool fence_done(std::uint64_t ticket) const noexcept override {
        return vcpu_->fence_done(ticket);
    }
    void serve_fences() noexcept override { vcpu_->serve_fences(); }
    void set_timer(std::uint64_t guest_ticks) noexcept override { vcpu_->set_timer(guest_ticks); }
    bool has_user_interrupts() const noexcept override { return vcpu_->has_user_interrupts(); }
    void raise_user_interrupt() noexcept override { vcpu_->raise_user_interrupt(); }
    bool has_pending_interrupt() noexcept override { return vcpu_->has_pending_interrupt(); }
    Nanos timer_deadline() noexcept override { return vcpu_->timer_deadline(); }
    void start(GuestPhys address, std::uint64_t opaque) override { vcpu_->start(address, opaque); }
    State save() const override { return vcpu_->save(); }
    void load(const State& state) override { vcpu_->load(state); }
    VcpuCounters counters() const noexcept override { return vcpu_->counters(); }
    EngineStats stats() const noexcept override { return vcpu_->stats(); }
    std::string_view engine_name() const noexcept override { return vcpu_->engine_name(); }
    VcpuDebug* debug() noexcept override { return this; }

    // ---- VcpuDebug ----

    void set_instruction_limit(std::uint64_t count) override { limit_ = count; }
    void set_breakpoints(std::span<const std::uint64_t> addresses) override {
        breakpoints_.assign(addresses.begin(), addresses.end());
        std::ranges::sort(breakpoints_);
    }

private:
    /// One instruction, or one trap. `state`: before it, and on return after it.
    ExitKind step(const RunContext& context, State& state) {
        stop_at_handlers(state);
        const Bytes bytes = fetch(state);
        engine_.set_instruction_limit(1);
        const ExitKind exit = vcpu_->run(context);
        const State after = vcpu_->save();
        if (after.instret != state.instret) {
            if (limit_ != kNoLimit) {
                --limit_;
            }
            write(
                state,
                after,
                fmt::format("{:0{}x}", bytes.word, bytes.length * 2),
                riscv::disassemble(bytes.word, bytes.length, state.pc)
            );
        } else if (exit == ExitKind::breakpoint) {
            write(state, after, "-", "trap");
        }
        state = after;
        return exit;
    }

    /// An instruction that traps does not retire: without these the handler's first one would be
    /// executed as well, unseen.
    void stop_at_handlers(const State& state) {
        std::vector<std::uint64_t> handlers = riscv::trap_handlers(state);
        std::ranges::sort(handlers);
        handlers.erase(std::ranges::unique(handlers).begin(), handlers.end());
        std::erase(handlers, state.pc);
        if (handlers != handlers_) {
            handlers_ = std::move(handlers);
            engine_.set_breakpoints(handlers_);
        }
    }

    struct Bytes {
        std::uint32_t word = 0;
        unsigned length = 2;
    };

    /// The instruction at pc, as memory has it now. Zeros where there is none.
    Bytes fetch(const State& state) const {
        const auto half = [&](std::uint64_t address) {
            std::array<std::byte, 2> bytes{};
            if (const auto at = riscv::peek(state.satp, memory_, address)) {
                (void)memory_.read(GuestPhys{*at}, bytes);
            }
            return static_cast<std::uint16_t>(
                std::to_integer<unsigned>(bytes[0]) | std::to_integer<unsigned>(bytes[1]) << 8
            );
        };
        const std::uint16_t low = half(state.pc);
        if (riscv::instruction_length(low) == 2) {
            return {.word = low, .length = 2};
        }
        return {.word = low | std::uint32_t{half(state.pc + 2)} << 16, .length = 4};
    }

    void
    write(const State& before, const State& after, std::string_view bytes, std::string_view text) {
        std::string line = fmt::format(
            "{}\t{}\t{:016x}\t{}\t{}\t", hart_, letter(before.privilege), before.pc, bytes, text
        );
        append_changes(line, before, after);
        line += '\n';
        log_->write(line);
    }

    std::unique_ptr<Vcpu> vcpu_;
    VcpuDebug& engine_;
    const GuestMemory& memory_;
    const unsigned hart_;
    std::shared_ptr<TraceLog> log_;
    std::uint64_t limit_ = kNoLimit;
    std::vector<std::uint64_t> breakpoints_;  // whoever uses us wants these; ascending
    std::vector<std::uint64_t> handlers_;     // as the engine has them
};

}  // namespace

Result<std::shared_ptr<TraceLog>> TraceLog::open(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "we");
    if (file == nullptr) {
        return fail(
            ErrorKind::configuration,
            fmt::format("cannot write the trace {}: {}", path, std::strerror(errno))
        );
    }
    return std::shared_ptr<TraceLog>(new TraceLog(file, path));
}

TraceLog::~TraceLog() {
    std::fclose(file_);
}

void TraceLog::write(std::string_view line) {
    const std::lock_guard lock(mutex_);
    std::fwrite(line.data(), 1, line.size(), file_);
}

Result<void> TraceLog::flush() {
    const std::lock_guard lock(mutex_);
    if (std::fflush(file_) != 0 || std::ferror(file_) != 0) {
        return fail(
            ErrorKind::internal,
            fmt::format("the trace {} is not whole: {}", path_, std::strerror(errno))
        );
    }
    return {};
}

std::unique_ptr<Vcpu> make_traced_vcpu(
    std::unique_ptr<Vcpu> vcpu,
    const GuestMemory& memory,
    unsigned hart,
    std::shared_ptr<TraceLog> log
) {
    return std::make_unique<TracedVcpu>(std::move(vcpu), memory, hart, std::move(log));
}

}  // namespace vmm
