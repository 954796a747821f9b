// SPDX-License-Identifier: Apache-2.0
// Every instruction but the floating-point ones by its vectors, on every engine; and that no line
// of instructions.inc is without one.
#include "hart_fixture.hpp"
#include "instruction_vectors.hpp"

#include <set>

using namespace rv;
using namespace cpu_test;
using vmm::riscv::Format;
using vmm::riscv::instruction_table;
using vmm::riscv::InstructionInfo;
using vmm::riscv::Privilege;

namespace {

const InstructionInfo& info_of(Op op) {
    return instruction_table()[static_cast<std::size_t>(op) - 1];
}

bool has_rs2(const IntegerVector& v) {
    return info_of(v.op).format == Format::r;
}

std::string name(Op op) {
    return std::string(info_of(op).mnemonic);
}

class InstructionVector : public EngineTest {
protected:
    static constexpr u64 kCode = kRam + 0x80000, kData = kRam + 0x200000;

    /// Begins with the same registers for each vector.
    void reset() {
        state = {};
        state.pc = kCode;
        state.sstatus = 3 << 13;
        state.stvec = kRam + 0x10000;
        for (unsigned n = 1; n < 32; ++n) {
            state.x[n] = 0xdead'beef'0000'0000 + n;
        }
    }
    /// Runs a vector with these registers, and looks that no other register changed.
    void check(const IntegerVector& v, unsigned rd, unsigned rs1, unsigned rs2) {
        reset();
        state.x[rs1] = v.a;
        if (has_rs2(v)) {
            state.x[rs2] = v.b;
        }
        const auto before = state.x;
        const Word word =
            encode(v.op, {.rd = rd, .rs1 = rs1, .rs2 = rs2, .imm = static_cast<std::int64_t>(v.b)});
        run_code({word});
        for (unsigned n = 0; n < 32; ++n) {
            const u64 expected = n == 0 ? 0 : n == rd ? v.expected : before[n];
            EXPECT_EQ(x(n), expected)
                << name(v.op) << " " << std::hex << v.a << ", " << v.b << ": x" << std::dec << n
                << " after rd x" << rd << ", rs1 x" << rs1 << ", rs2 x" << rs2;
        }
    }
};

COPS_ON_EVERY_ENGINE(InstructionVector);

}  // namespace

TEST_P(InstructionVector, integer_instructions_in_any_registers) {
    unsigned n = 0;
    for (const IntegerVector& v : integer_vectors()) {
        // Three different registers, another choice for each vector; then the same ones.
        const unsigned first = 1 + n % 31, second = 1 + (n + 7) % 31, third = 1 + (n + 18) % 31;
        check(v, first, second, third);
        check(v, second, second, third);
        check(v, 0, second, third);
        if (has_rs2(v)) {
            check(v, third, second, third);
            if (v.a == v.b) {
                check(v, first, second, second);
                check(v, second, second, second);
            }
            if (v.b == 0) {
                check(v, first, second, 0);
            }
        }
        if (v.a == 0) {
            check(v, first, 0, third);
        }
        ++n;
    }
}

TEST_P(InstructionVector, integer_instructions_on_constants) {
    for (const IntegerVector& v : integer_vectors()) {
        reset();
        Code code;
        code.load(a0, v.a).load(a1, v.b);
        const auto imm = static_cast<std::int64_t>(v.b);
        code << encode(v.op, {.rd = a2, .rs1 = a0, .rs2 = a1, .imm = imm});
        run_code(code);
        EXPECT_EQ(x(a2), v.expected) << name(v.op) << " " << std::hex << v.a << ", " << v.b;
    }
}

TEST_P(InstructionVector, integer_instructions_all_in_one_loop) {
    // Operands from memory, results to memory, many in a block, and over and over.
    reset();
    Code code;
    code << li(t0, 100);
    std::int64_t at = 0;
    const auto begin = code.size();
    for (const IntegerVector& v : integer_vectors()) {
        put_value(kData + static_cast<u64>(at), v.a);
        put_value(kData + static_cast<u64>(at) + 8, v.b);
        put_value(kData + static_cast<u64>(at) + 16, ~v.expected);
        const auto imm = static_cast<std::int64_t>(v.b);
        code << ld(a0, s0, 0) << ld(a1, s0, 8)
             << encode(v.op, {.rd = a2, .rs1 = a0, .rs2 = a1, .imm = imm}) << sd(a2, s0, 16)
             << addi(s0, s0, 24);
        at += 24;
    }
    code << mv(s0, s1) << addi(t0, t0, -1) << beq(t0, x0, 8);
    code << jal(x0, begin - code.size());
    state.x[s0] = kData;
    state.x[s1] = kData;
    run_code(code);
    at = 0;
    for (const IntegerVector& v : integer_vectors()) {
        EXPECT_EQ(value_at(kData + static_cast<u64>(at) + 16), v.expected)
            << name(v.op) << " " << std::hex << v.a << ", " << v.b;
        at += 24;
    }
}

TEST_P(InstructionVector, upper_immediates) {
    for (const UpperVector& v : upper_vectors()) {
        for (const unsigned rd : {1U, 10U, 31U}) {
            reset();
            run_code({encode(v.op, {.rd = rd, .imm = v.imm20})});
            const u64 expected = v.expected + (v.op == Op::auipc ? kCode : 0);
            EXPECT_EQ(x(rd), expected) << name(v.op) << " " << v.imm20;
        }
    }
}

TEST_P(InstructionVector, branches) {
    for (const BranchVector& v : branch_vectors()) {
        for (const std::int64_t offset : {8, 4094, -4096, -10}) {
            reset();
            state.x[a0] = v.a;
            state.x[a1] = v.b;
            const u64 target = kCode + static_cast<u64>(offset);
            put(target, {kEbreak});
            put(kCode, {encode(v.op, {.rs1 = a0, .rs2 = a1, .imm = offset}), kEbreak});
            ASSERT_EQ(run(), vmm::ExitKind::ended);
            EXPECT_EQ(state.sepc, v.taken ? target : kCode + 4)
                << name(v.op) << " " << std::hex << v.a << ", " << v.b << " by " << offset;
            EXPECT_EQ(state.scause, 3U);
        }
    }
}

TEST_P(InstructionVector, jumps) {
    for (const JumpVector& v : jump_vectors()) {
        for (const unsigned rd : {unsigned{x0}, unsigned{ra}, unsigned{a0}}) {
            reset();
            state.x[a0] = kCode + static_cast<u64>(v.a);
            const u64 target = kCode + static_cast<u64>(v.target);
            put(kCode, {encode(v.op, {.rd = rd, .rs1 = a0, .imm = v.imm})});
            put(target, {kEbreak});
            ASSERT_EQ(run(), vmm::ExitKind::ended);
            EXPECT_EQ(state.sepc, target) << name(v.op) << " " << v.a << " + " << v.imm;
            EXPECT_EQ(x(rd), rd == 0 ? 0 : kCode + 4) << name(v.op);
        }
    }
}

TEST_P(InstructionVector, loads) {
    for (const LoadVector& v : load_vectors()) {
        // The base takes all but the offset, and all but a large offset of either sign.
        for (const std::int64_t imm : {v.offset, std::int64_t{2047}, std::int64_t{-2048}}) {
            reset();
            put_value(kData, kLoadPattern);
            state.x[s0] = kData + static_cast<u64>(v.offset - imm);
            const bool is_float = info_of(v.op).format == Format::fp_load;
            run_code({encode(v.op, {.rd = s0, .rs1 = s0, .imm = imm})});
            EXPECT_EQ(is_float ? state.f[s0] : x(s0), v.expected)
                << name(v.op) << " at " << v.offset << " by " << imm;
        }
    }
}

TEST_P(InstructionVector, stores) {
    for (const StoreVector& v : store_vectors()) {
        for (const std::int64_t imm : {v.offset, std::int64_t{2047}, std::int64_t{-2048}}) {
            reset();
            put_value(kData - 8, u64{0});
            put_value(kData, u64{0});
            put_value(kData + 8, u64{0});
            state.x[s0] = kData + static_cast<u64>(v.offset - imm);
            state.x[a0] = v.value;
            state.f[a0] = v.value;
            run_code({encode(v.op, {.rs1 = s0, .rs2 = a0, .imm = imm})});
            EXPECT_EQ(value_at(kData), v.expected) << name(v.op) << " at " << v.offset;
            EXPECT_EQ(value_at(kData - 8), 0U) << name(v.op);
            EXPECT_EQ(value_at(kData + 8), 0U) << name(v.op);
        }
    }
}

TEST_P(InstructionVector, atomics_of_all_orders) {
    for (const AtomicVector& v : atomic_vectors()) {
        for (const unsigned aqrl : {0U, 1U, 2U, 3U}) {
            for (const unsigned rd : {unsigned{a0}, unsigned{a1}, unsigned{s0}, unsigned{x0}}) {
                reset();
                put_value(kData, v.memory);
                state.x[s0] = kData;
                state.x[a1] = v.operand;
                Code code;
                if (v.op == Op::sc_w || v.op == Op::sc_d) {
                    code << (v.op == Op::sc_w ? lr_w(a2, s0) : lr_d(a2, s0));
                }
                code << encode(v.op, {.rd = rd, .rs1 = s0, .rs2 = a1, .aqrl = aqrl});
                run_code(code);
                EXPECT_EQ(x(rd), rd == 0 ? 0 : v.expected) << name(v.op) << " aqrl " << aqrl;
                EXPECT_EQ(value_at(kData), v.expected_memory) << name(v.op) << " aqrl " << aqrl;
            }
        }
    }
}

TEST_P(InstructionVector, a_store_conditional_without_a_reservation_fails) {
    for (const Op op : {Op::sc_w, Op::sc_d}) {
        reset();
        put_value(kData, u64{5});
        state.x[s0] = kData;
        state.x[a1] = 9;
        run_code({encode(op, {.rd = a0, .rs1 = s0, .rs2 = a1})});
        EXPECT_EQ(x(a0), 1U);
        EXPECT_EQ(value_at(kData), 5U);
    }
}

TEST_P(InstructionVector, csr_instructions) {
    constexpr unsigned kSscratch = 0x140;
    for (const CsrVector& v : csr_vectors()) {
        const bool immediate = v.op == Op::csrrwi || v.op == Op::csrrsi || v.op == Op::csrrci;
        const unsigned source = immediate ? static_cast<unsigned>(v.operand) : unsigned{a1};
        for (const unsigned rd : {unsigned{a0}, unsigned{a1}, unsigned{x0}}) {
            reset();
            state.sscratch = v.old;
            state.x[a1] = v.operand;
            run_code({encode(v.op, {.rd = rd, .rs1 = source, .imm = kSscratch})});
            EXPECT_EQ(x(rd), rd == 0 ? 0 : v.old) << name(v.op);
            EXPECT_EQ(state.sscratch, v.expected)
                << name(v.op) << " " << std::hex << v.old << ", " << v.operand;
        }
    }
}

TEST_P(InstructionVector, system_instructions) {
    constexpr u64 kSepc = kCode + 0x100, kUepc = kCode + 0x200;
    for (const SystemVector& v : system_vectors()) {
        reset();
        state.privilege = v.privilege;
        state.sepc = kSepc;
        state.uepc = kUepc;
        if (v.outcome == Outcome::goes_on && v.op == Op::wfi) {
            state.sie = state.sip = 2;  // pending, and held because SIE is 0
        }
        host.sbi = {};
        const Word word = encode(v.op, {.rs1 = x0, .imm = v.op == Op::fence ? 0xff : 0});
        put(kCode, {word, kEbreak});
        put(kSepc, {kEbreak});
        put(kUepc, {kEbreak});
        state.x[a7] = v.outcome == Outcome::calls ? kEndExtension : 0;
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        struct {
            u64 cause, sepc, stval;
        } expected{};
        switch (v.outcome) {
        case Outcome::goes_on:
            expected = {3, kCode + 4, kCode + 4};
            break;
        case Outcome::returns_s:
            expected = {3, kSepc, kSepc};
            break;
        case Outcome::returns_u:
            expected = {3, kUepc, kUepc};
            break;
        case Outcome::calls:
            expected = {0, kSepc, 0};
            EXPECT_EQ(host.sbi.extension, kEndExtension);
            EXPECT_EQ(state.pc, kCode + 4);
            break;
        case Outcome::illegal:
            expected = {2, kCode, word};
            break;
        case Outcome::breakpoint:
            expected = {3, kCode, kCode};
            break;
        case Outcome::user_ecall:
            expected = {8, kCode, 0};
            break;
        }
        const auto where = testing::Message()
                           << name(v.op) << " in " << (v.privilege == Privilege::user ? "U" : "S");
        EXPECT_EQ(state.scause, expected.cause) << where;
        EXPECT_EQ(state.sepc, expected.sepc) << where;
        EXPECT_EQ(state.stval, expected.stval) << where;
    }
}

TEST(InstructionTable, every_line_has_a_vector) {
    std::set<Op> covered;
    const auto add = [&covered](const auto& vectors) {
        for (const auto& v : vectors) {
            covered.insert(v.op);
        }
    };
    add(integer_vectors());
    add(upper_vectors());
    add(branch_vectors());
    add(jump_vectors());
    add(load_vectors());
    add(store_vectors());
    add(atomic_vectors());
    add(csr_vectors());
    add(system_vectors());
    add(one_mode_vectors());
    add(rounding_vectors());
    for (const SpecialVector& v : special_vectors()) {
        covered.insert({v.on_doubles, v.on_singles});
    }
    for (const SpecialTest& v : special_tests()) {
        covered.insert({v.on_doubles, v.on_singles});
    }
    for (const InstructionInfo& info : instruction_table()) {
        EXPECT_TRUE(covered.contains(info.op)) << info.mnemonic << " has no vector";
    }
}
