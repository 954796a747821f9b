// SPDX-License-Identifier: Apache-2.0
#include "system_kernel.hpp"

namespace differential::system {

using namespace rv;

namespace {

constexpr unsigned kSstatus = 0x100, kSie = 0x104, kStvec = 0x105, kSscratch = 0x140, kSepc = 0x141,
                   kScause = 0x142, kStval = 0x143, kSip = 0x144, kSatp = 0x180, kSedeleg = 0x102,
                   kSideleg = 0x103, kUtvec = 0x005, kUscratch = 0x040, kUepc = 0x041,
                   kUcause = 0x042, kUtval = 0x043, kUip = 0x044, kFcsr = 0x003;
constexpr std::int64_t kEntryBytes = kEntryWords * 8;
constexpr std::int64_t at(std::size_t word) {
    return static_cast<std::int64_t>(word) * 8;
}
constexpr rv::Word fld(unsigned f, unsigned base, std::int64_t offset) {
    return i(0x07, 3, f, base, offset);
}
constexpr rv::Word fsd(unsigned f, unsigned base, std::int64_t offset) {
    return s(0x27, 3, base, f, offset);
}

/// Begins the slot of the descriptor in t0; sp is the log entry of its first trap.
Code begin_slot(bool user_interrupts) {
    Code code;
    // The end: an ecall, after telling where the log ends.
    Code finish;
    finish.load(t2, kFinished) << sd(sp, t2, 0) << kEcall << beq(0, 0, 0);
    code << ld(t1, t0, 0) << bne(t1, 0, finish.size() + 4) << finish;
    code << csrw(kSepc, t1) << ld(t1, t0, 16) << csrw(kSatp, t1);
    code << ld(t1, t0, 24) << beq(t1, 0, 8) << rv::sfence_vma();
    code << ld(t1, t0, 40) << csrw(kSie, t1) << csrrci(0, kSip, 2);
    if (user_interrupts) {
        code << ld(t1, t0, 48) << csrw(kSedeleg, t1) << ld(t1, t0, 56) << csrw(kSideleg, t1);
        code.load(t1, kUserHandler) << csrw(kUtvec, t1);
        code.load(t1, kUserSave) << csrw(kUscratch, t1);
        code << csrrci(0, kSip, 1) << csrrci(0, 0x000, 0x11);
    }
    code << lui(t1, 6) << csrrs(0, kSstatus, t1);
    code << ld(t1, t0, 32);
    for (unsigned n = 0; n < 32; ++n) {
        code << fld(n, t1, (31 + n) * 8);
    }
    code << ld(t2, t1, 63 * 8) << csrw(kFcsr, t2);
    code << ld(t2, t0, 8) << csrw(kSstatus, t2);
    code << addi(t0, t0, sizeof(Descriptor)) << sd(t0, sp, at(kNext));
    code << li(t2, kBudget) << sd(t2, sp, at(kBudgetWord)) << csrw(kSscratch, sp);
    for (unsigned n = 1; n < 32; ++n) {
        if (n != t1) {
            code << ld(n, t1, (n - 1) * 8);
        }
    }
    code << ld(t1, t1, (t1 - 1) * 8) << kSret;
    return code;
}

/// Saves all there is to the entry at sscratch, leaves sp pointing to it.
Code log_trap() {
    Code code;
    code << csrrw(sp, kSscratch, sp) << sd(ra, sp, at(ra));
    for (unsigned n = 3; n < 32; ++n) {
        code << sd(n, sp, at(n));
    }
    code << csrr(t0, kSscratch) << sd(t0, sp, at(sp));
    code << sc_d(0, sp, 0);  // forgets a reservation, as kernels do
    struct Field {
        unsigned csr;
        std::size_t word;
    };
    for (const Field field :
         {Field{kScause, kCause},
          Field{kSepc, kSepcWord},
          Field{kStval, kStvalWord},
          Field{kSstatus, kSstatusWord},
          Field{kSip, kSipWord},
          Field{kSatp, kSatpWord}}) {
        code << csrr(t0, field.csr) << sd(t0, sp, at(field.word));
    }
    code << lui(t0, 6) << csrrs(0, kSstatus, t0);
    for (unsigned n = 0; n < 32; ++n) {
        code << fsd(n, sp, at(kF + n));
    }
    code << csrr(t0, kFcsr) << sd(t0, sp, at(kFcsrWord));
    return code;
}

}  // namespace

Code kernel_code(bool user_interrupts) {
    const Code slot = begin_slot(user_interrupts);

    Code resume;  // s1: what is left of the budget
    resume << ld(a1, sp, at(kNext)) << addi(a4, sp, kEntryBytes) << sd(a1, a4, at(kNext));
    resume << sd(s1, a4, at(kBudgetWord)) << csrw(kSscratch, a4);
    resume << ld(t0, sp, at(kSstatusWord)) << csrw(kSstatus, t0);
    for (unsigned n = 1; n < 32; ++n) {
        if (n != sp) {
            resume << ld(n, sp, at(n));
        }
    }
    resume << ld(sp, sp, at(sp)) << kSret;

    Code after;  // goes on after the instruction: its length is in its lowest bits
    after << ld(a1, sp, at(kSepcWord)) << i(0x03, 5, a2, a1, 0) << i(0x13, 7, a2, a2, 3);
    after << addi(a2, a2, -3) << li(a3, 2) << bne(a2, 0, 8) << li(a3, 4);
    after << add(a1, a1, a3) << csrw(kSepc, a1);

    // Entered with the entry complete.
    Code decide;
    decide << lui(t0, 0xc0) << csrrs(0, kSstatus, t0);  // SUM and MXR, to read the instruction
    decide << ld(s0, sp, 0) << ld(s1, sp, at(kBudgetWord));
    Code leave{ld(t0, sp, at(kNext)), addi(sp, sp, kEntryBytes)};
    // Layout: tests; interrupt; after; resume; leave; slot.
    const std::int64_t tail = after.size() + resume.size();
    Code tests;
    const std::int64_t tests_size = 4 * 11, interrupt_size = 4 * 2;
    const auto to_leave = [&] { return tests_size - tests.size() + interrupt_size + tail; };
    tests << beq(s1, 0, to_leave());
    tests << addi(s1, s1, -1);
    tests << blt(s0, 0, tests_size - tests.size());
    tests << beq(s0, 0, to_leave());
    for (const std::int64_t fetch : {1, 3, 12}) {  // fetches, and ebreak, which ends slots
        tests << li(a0, fetch);
        tests << beq(s0, a0, to_leave());
    }
    tests << jal(0, 4 + interrupt_size);
    Code interrupt{csrrci(0, kSip, 2), jal(0, 4 + after.size())};
    Code handler = log_trap();
    handler << decide << tests;
    handler << interrupt << after << resume << leave << slot;

    Code entry;
    const std::int64_t setup = 4 * (11 * 3 + 2 + 1);
    entry.load(t0, kKernel + static_cast<std::uint64_t>(setup)) << csrw(kStvec, t0);
    entry.load(sp, kLog).load(t0, kDescriptors) << csrw(kSscratch, sp);
    entry << jal(0, handler.size() - slot.size() + 4);
    entry << handler;
    return entry;
}

Code user_handler() {
    Code code;
    code << csrrw(sp, kUscratch, sp) << sd(t0, sp, 0) << sd(t1, sp, 8) << sd(t2, sp, 16);
    // The log is a ring in the page of sp: offset at 24(sp), entries from 1024 on.
    code << ld(t0, sp, 24) << add(t1, sp, t0);
    code << csrr(t2, kUcause) << sd(t2, t1, 1024) << csrr(t2, kUepc) << sd(t2, t1, 1032);
    code << csrr(t2, kUtval) << sd(t2, t1, 1040) << csrr(t2, 0x000) << sd(t2, t1, 1048);
    code << addi(t0, t0, 32) << i(0x13, 7, t0, t0, 0x3ff) << sd(t0, sp, 24);
    code << csrr(t0, kUcause);
    Code back;
    back << ld(t0, sp, 0) << ld(t1, sp, 8) << ld(t2, sp, 16) << csrrw(sp, kUscratch, sp) << kUret;
    // An exception in the slot's own code is passed over; elsewhere the slot ends (ebreak).
    Code after;
    after << csrr(t0, kUepc) << srli(t1, t0, 21)
          << addi(t1, t1, -static_cast<std::int64_t>(kUserCode >> 21));
    after << beq(t1, 0, 8) << kEbreak;
    after << i(0x03, 5, t1, t0, 0) << i(0x13, 7, t1, t1, 3) << addi(t1, t1, -3);
    after << li(t2, 2) << bne(t1, 0, 8) << li(t2, 4) << add(t0, t0, t2) << csrw(kUepc, t0);
    Code interrupt{csrrci(0, kUip, 1)};
    code << blt(t0, 0, after.size() + 8);
    after << jal(0, interrupt.size() + 4);
    code << after << interrupt << back;
    return code;
}

Code machine_shim() {
    constexpr unsigned kMstatus = 0x300, kMedeleg = 0x302, kMideleg = 0x303, kMtvec = 0x305,
                       kMcounteren = 0x306, kMepc = 0x341, kMcause = 0x342, kMtval = 0x343,
                       kPmpcfg0 = 0x3a0, kPmpaddr0 = 0x3b0;
    constexpr rv::Word kMret = 0x30200073;
    constexpr std::uint64_t kTestFinisher = 0x10'0000;
    Code code;
    const std::int64_t handler = 4 * 64;
    // Only the first hart works; the others are there because QEMU's atomics differ without them:
    // on its own, a hart's amo raises load page faults.
    code << csrr(t0, 0xf14) << beq(t0, 0, 12) << kWfi << jal(0, -4);
    code << auipc(t0, 0) << addi(t0, t0, handler - code.size() + 4) << csrw(kMtvec, t0);
    code << li(t0, -1) << csrw(kPmpaddr0, t0) << li(t0, 0x1f) << csrw(kPmpcfg0, t0);
    code.load(t0, 0xb1ff) << csrw(kMedeleg, t0) << li(t0, 0x222) << csrw(kMideleg, t0);
    code << li(t0, 7) << csrw(kMcounteren, t0);
    code.load(t0, 0x800) << csrw(kMstatus, t0);
    code.load(t0, kKernel) << csrw(kMepc, t0) << kMret;
    while (code.size() < handler) {
        code << nop();
    }
    code.load(a1, kFinished) << csrr(a2, kMcause) << li(a0, 9) << beq(a2, a0, 4 * 6);
    code << sd(a2, a1, 8) << csrr(a2, kMepc) << sd(a2, a1, 16) << csrr(a2, kMtval)
         << sd(a2, a1, 24);
    code.load(a1, kTestFinisher).load(a2, 0x5555) << sw(a2, a1, 0) << beq(0, 0, 0);
    return code;
}

}  // namespace differential::system
