// SPDX-License-Identifier: Apache-2.0
// The code emitted for each floating-point instruction by itself, called like a function: result
// and flags against integer arithmetic, for every place that operands can be in, and for hosts
// without AVX and FMA3.
#include "cpu/dbt/x64/emitter.hpp"
#include "cpu/dbt/x64/float_facts.hpp"
#include "cpu/riscv/float_ops.hpp"
#include "float_operands.hpp"

#include <gtest/gtest.h>

#include <xmmintrin.h>

#include <map>
#include <memory>
#include <ostream>

using namespace float_operands;
namespace dbt = vmm::dbt;
namespace ir = vmm::dbt::ir;
namespace x86 = asmjit::x86;

namespace {

constexpr ir::Var kIntegerSource = 11, kIntegerResult = 10;

class TestThunks final : public dbt::Thunks {
public:
    explicit TestThunks(asmjit::JitRuntime& runtime)
        : runtime_(runtime) {}

    std::uint64_t thunk(dbt::Helper function) override {
        auto& known = thunks_[reinterpret_cast<std::uint64_t>(function)];
        if (known == 0) {
            known = make(function);
        }
        return known;
    }

private:
    std::uint64_t make(dbt::Helper function) {
        asmjit::CodeHolder code;
        code.init(runtime_.environment());
        x86::Assembler a(&code);
        for (unsigned n = 0; n < dbt::kGpCount; ++n) {
            a.mov(
                dbt::Emitter::state(offsetof(dbt::HartState, saved_gp) + n * 8), dbt::kResidentGp[n]
            );
        }
        for (unsigned n = 0; n < dbt::kXmmCount; ++n) {
            a.movsd(
                dbt::Emitter::state(offsetof(dbt::HartState, saved_xmm) + n * 8),
                x86::xmm(n + dbt::kFirstResidentXmm)
            );
        }
        a.lea(x86::rdi, x86::ptr(dbt::kState, -static_cast<std::int32_t>(dbt::kStateBias)));
        a.mov(x86::rsi, x86::rax);
        a.xchg(x86::rcx, x86::rdx);
        a.sub(x86::rsp, 8);
        a.call(reinterpret_cast<std::uint64_t>(function));
        a.add(x86::rsp, 8);
        for (unsigned n = 0; n < dbt::kGpCount; ++n) {
            a.mov(
                dbt::kResidentGp[n], dbt::Emitter::state(offsetof(dbt::HartState, saved_gp) + n * 8)
            );
        }
        for (unsigned n = 0; n < dbt::kXmmCount; ++n) {
            a.movsd(
                x86::xmm(n + dbt::kFirstResidentXmm),
                dbt::Emitter::state(offsetof(dbt::HartState, saved_xmm) + n * 8)
            );
        }
        // What a helper may leave behind.
        a.pcmpeqd(x86::xmm0, x86::xmm0);
        a.pcmpeqd(x86::xmm1, x86::xmm1);
        a.pcmpeqd(x86::xmm2, x86::xmm2);
        a.mov(x86::rcx, -1);
        a.mov(x86::rdx, -1);
        a.ret();
        void* made = nullptr;
        runtime_.add(&made, &code);
        return reinterpret_cast<std::uint64_t>(made);
    }

    asmjit::JitRuntime& runtime_;
    std::map<std::uint64_t, std::uint64_t> thunks_;
};

struct Host {
    const char* name;
    dbt::HostFeatures features;
};
void PrintTo(const Host& host, std::ostream* out) {
    *out << host.name;
}

/// How an instruction is compiled.
struct Case {
    unsigned rm = 0;
    unsigned frm = 0;
    unsigned rd = 3, rs1 = 1, rs2 = 2, rs3 = 4;
    unsigned resident = ~0U;  ///< Bit n: fn is in a host register (xn too).
    std::uint32_t boxed = 0;  ///< What is known.
};

class FloatEmit : public ::testing::TestWithParam<Host> {
protected:
    using Function = void (*)(dbt::HartState*);

    Function compile(const Instruction& instruction, const Case& c) {
        ir::Inst inst;
        inst.op = ir::Op::float_op;
        inst.guest = instruction.info.op;
        inst.rm = static_cast<std::uint8_t>(c.rm);
        const auto f = [](unsigned n) { return static_cast<ir::Var>(ir::kFirstFloat + n); };
        inst.a = instruction.source == Kind::integer ? kIntegerSource : f(c.rs1);
        inst.b = instruction.operands > 1 ? f(c.rs2) : ir::kNone;
        inst.c = instruction.operands > 2 ? f(c.rs3) : ir::kNone;
        inst.dst = instruction.to_x ? kIntegerResult : f(c.rd);

        dbt::Allocation allocation;
        allocation.where.assign(ir::kFirstTemp, dbt::Allocation::kInMemory);
        allocation.holds.fill(ir::kNone);
        const auto keep = [&](ir::Var v, unsigned at) {
            allocation.where[v] = static_cast<std::int8_t>(at);
            allocation.holds[at] = v;
        };
        for (unsigned n = 0; n < 5; ++n) {
            if ((c.resident >> n & 1) != 0) {
                keep(f(n), dbt::kXmmBit + n * 3);  // some need a REX prefix
            }
        }
        for (const ir::Var v : {kIntegerSource, kIntegerResult}) {
            if ((c.resident >> v & 1) != 0) {
                keep(v, v == kIntegerSource ? 7 : 2);  // r11, rsi
            }
        }

        asmjit::CodeHolder code;
        code.init(runtime_.environment());
        x86::Assembler a(&code);
        dbt::Emitter e(a, allocation, thunks_);
        e.features = GetParam().features;
        e.mode = {.float_on = true, .frm = static_cast<std::uint8_t>(c.frm)};
        e.boxed = c.boxed;
        const auto move_residents = [&](bool load) {
            for (unsigned n = 0; n < dbt::kRegisterCount; ++n) {
                const ir::Var v = allocation.holds[n];
                if (v == ir::kNone) {
                } else if (ir::is_float(v)) {
                    load ? a.movsd(e.xmm(v), e.home(v)) : a.movsd(e.home(v), e.xmm(v));
                } else {
                    load ? a.mov(e.gp(v), e.home(v)) : a.mov(e.home(v), e.gp(v));
                }
            }
        };
        const x86::Gp saved[] = {x86::rbx, x86::rbp, x86::r12, x86::r13, x86::r14, x86::r15};
        for (const x86::Gp& each : saved) {
            a.push(each);
        }
        a.sub(x86::rsp, 8);
        a.lea(dbt::kState, x86::ptr(x86::rdi, dbt::kStateBias));
        move_residents(true);
        for (const unsigned n : {0U, 1U, 2U}) {
            a.pcmpeqd(x86::xmm(n), x86::xmm(n));
        }
        dbt::emit_float(e, inst);
        move_residents(false);
        a.add(x86::rsp, 8);
        for (std::size_t n = std::size(saved); n-- > 0;) {
            a.pop(saved[n]);
        }
        a.ret();
        e.emit_cold();
        Function function = nullptr;
        EXPECT_EQ(runtime_.add(&function, &code), asmjit::kErrorOk);
        return function;
    }

    static unsigned host_control(unsigned frm) {
        constexpr unsigned kControl[] = {0, 3, 1, 2, 0};
        return 0x1f80 | kControl[frm] << 13;
    }
    static unsigned guest_flags(unsigned mxcsr) {
        return (mxcsr & 1) << 4 | (mxcsr & 4) << 1 | (mxcsr & 8) >> 1 | (mxcsr & 16) >> 3
               | (mxcsr & 32) >> 5;
    }

    // Emitted code has no type hash in front of it, and maybe no memory.
    [[clang::no_sanitize("function")]] void
    check(const Instruction& instruction, const std::vector<Input>& inputs, const Case& c) {
        const Function function = compile(instruction, c);
        ASSERT_NE(function, nullptr);
        const auto host_before = _mm_getcsr();
        for (const Input& input : inputs) {
            state_->f[c.rs3] = input.c;
            state_->f[c.rs2] = input.b;
            state_->f[c.rs1] = input.a;
            state_->x[kIntegerSource] = input.a;
            state_->fflags = 0;
            const std::uint64_t b = state_->f[c.rs2], third = state_->f[c.rs3];
            _mm_setcsr(host_control(c.frm));
            function(state_.get());
            const unsigned mxcsr = _mm_getcsr();
            _mm_setcsr(host_before);
            unsigned expected_flags = 0;
            const std::uint64_t expected = vmm::riscv::execute_float(
                instruction.info.op,
                static_cast<vmm::riscv::Rounding>(c.rm),
                input.a,
                b,
                third,
                expected_flags
            );
            const std::uint64_t found =
                instruction.to_x ? state_->x[kIntegerResult] : state_->f[c.rd];
            const unsigned flags = guest_flags(mxcsr) | state_->fflags;
            if (found != expected || flags != expected_flags
                || (mxcsr & ~0x3fU) != host_control(c.frm)) {
                ADD_FAILURE() << instruction.info.mnemonic << " rm " << c.rm << " frm " << c.frm
                              << " f" << c.rd << " f" << c.rs1 << " f" << c.rs2 << " f" << c.rs3
                              << std::hex << " resident " << c.resident << " boxed " << c.boxed
                              << "\n  operands " << input.a << " " << b << " " << third
                              << "\n  expected " << expected << " flags " << expected_flags
                              << "\n  found    " << found << " flags " << flags << " mxcsr "
                              << mxcsr;
                if (++failures_ > 20) {
                    FAIL() << "and so on";
                }
            }
        }
        runtime_.release(function);
    }

    asmjit::JitRuntime runtime_;
    TestThunks thunks_{runtime_};
    std::unique_ptr<dbt::HartState> state_ = std::make_unique<dbt::HartState>();
    int failures_ = 0;
};

std::vector<Host> hosts() {
    std::vector<Host> found = {{"sse2", {}}};
    const dbt::HostFeatures features = dbt::host_features();
    if (features.avx) {
        found.push_back({"avx", {.avx = true, .fma = false}});
    }
    if (features.fma) {
        found.push_back({"fma3", features});
    }
    return found;
}

}  // namespace

TEST_P(FloatEmit, special_operands_in_all_modes) {
    for (const Instruction& instruction : float_instructions()) {
        // Without FMA3, C++ does the fused ones: a part of the triples will do.
        const auto inputs = inputs_for(instruction, GetParam().features.fma);
        for (unsigned mode = 0; mode < (instruction.rounds() ? kModes : 1); ++mode) {
            ASSERT_NO_FATAL_FAILURE(check(instruction, inputs, {.rm = mode, .frm = mode}));
        }
    }
}

TEST_P(FloatEmit, modes_of_the_instruction_differ_from_the_dynamic_one) {
    for (const Instruction& instruction : float_instructions()) {
        const auto inputs = inputs_for(instruction, false);
        for (unsigned mode = 0; mode < (instruction.rounds() ? kModes : 0); ++mode) {
            for (unsigned frm = 0; frm < kModes; ++frm) {
                if (mode != frm && (instruction.operands < 3 || frm == 0)) {
                    ASSERT_NO_FATAL_FAILURE(check(instruction, inputs, {.rm = mode, .frm = frm}));
                }
            }
        }
    }
}

TEST_P(FloatEmit, operands_in_registers_and_in_memory_and_the_same) {
    struct {
        unsigned rd, rs1, rs2, rs3;
    } const kNumbers[] = {
        {3, 1, 2, 4},
        {1, 1, 2, 4},
        {2, 1, 2, 4},
        {4, 1, 2, 4},
        {3, 1, 1, 4},
        {3, 1, 2, 1},
        {3, 1, 2, 2},
        {1, 1, 1, 4},
        {1, 1, 2, 1},
        {2, 1, 2, 2},
        {3, 1, 1, 1},
        {1, 1, 1, 1},
    };
    for (const Instruction& instruction : float_instructions()) {
        auto inputs = inputs_for(instruction, false);
        // Each place has its turn with some; which ones is another matter.
        const unsigned step = instruction.operands == 3 ? 31 : 5;
        std::erase_if(inputs, [step, n = 0U](const Input&) mutable { return n++ % step != 0; });
        auto boxed = inputs;
        for (Input& input : boxed) {
            input = {input.a | kBox, input.b | kBox, input.c | kBox};
        }
        for (const auto& n : kNumbers) {
            for (unsigned where = 0; where < 16; ++where) {
                // f1..f4; x10 and x11 like f3 and f1.
                const unsigned resident = where << 1 | (where >> 2 & 1) << 10 | (where & 1) << 11;
                Case c{.rd = n.rd, .rs1 = n.rs1, .rs2 = n.rs2, .rs3 = n.rs3, .resident = resident};
                ASSERT_NO_FATAL_FAILURE(check(instruction, inputs, c));
                if (instruction.source == Kind::single) {
                    c.boxed = ~0U;
                    ASSERT_NO_FATAL_FAILURE(check(instruction, boxed, c));
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Hosts, FloatEmit, ::testing::ValuesIn(hosts()), [](const auto& host) {
    return host.param.name;
});
