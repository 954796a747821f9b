// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/x64/routines.hpp"

#include "cpu/dbt/x64/emitter.hpp"

#include <cstring>

namespace vmm::dbt {

using namespace asmjit;
using x86::eax;
using x86::ecx;
using x86::edx;
using x86::r14;
using x86::r15;
using x86::rax;
using x86::rcx;
using x86::rdi;
using x86::rdx;
using x86::rsi;
using x86::rsp;

namespace {

x86::Mem state(std::size_t offset, unsigned size = 8) {
    return Emitter::state(offset, size);
}

/// How far guest calls may pile up on the host's stack, 16 bytes each.
constexpr std::int32_t kCallStackBytes = 24 << 10;

}  // namespace

/// Assembles one routine behind the others.
class Routines::Builder {
public:
    explicit Builder(Routines& routines)
        : routines_(routines) {
        code_.init(Environment::host(), routines.address_ + routines.used_);
        code_.attach(&a);
    }
    ~Builder() {
        const CodeBuffer& buffer = code_.textSection()->buffer();
        std::memcpy(routines_.writable_.data() + routines_.used_, buffer.data(), buffer.size());
        routines_.used_ += (buffer.size() + 15) & ~std::size_t{15};
    }
    Builder(const Builder&) = delete;
    Builder& operator=(const Builder&) = delete;

    std::uint64_t address() const { return routines_.address_ + routines_.used_; }

    void save_residents() {
        for (unsigned n = 0; n < kResidentGp.size(); ++n) {
            a.mov(state(offsetof(HartState, saved_gp) + 8 * n, 8), kResidentGp[n]);
        }
        for (unsigned n = 0; n < kResidentXmms; ++n) {
            a.movsd(
                state(offsetof(HartState, saved_xmm) + 8 * n, 8), x86::xmm(kFirstResidentXmm + n)
            );
        }
        a.mov(state(offsetof(HartState, budget), 8), r14);
    }
    void restore_residents() {
        for (unsigned n = 0; n < kResidentGp.size(); ++n) {
            a.mov(kResidentGp[n], state(offsetof(HartState, saved_gp) + 8 * n, 8));
        }
        for (unsigned n = 0; n < kResidentXmms; ++n) {
            a.movsd(
                x86::xmm(kFirstResidentXmm + n), state(offsetof(HartState, saved_xmm) + 8 * n, 8)
            );
        }
        a.mov(r14, state(offsetof(HartState, budget), 8));
    }
    /// Calls a C++ function with rdi = the hart. Inside a routine that was called itself.
    template <class Function>
    void call(Function* function) {
        a.lea(rdi, x86::ptr(r15, -static_cast<std::int32_t>(kStateBias)));
        a.mov(rax, Imm(reinterpret_cast<std::uint64_t>(function)));
        a.sub(rsp, 8);
        a.call(rax);
        a.add(rsp, 8);
    }
    void leave(LeaveReason reason) {
        a.mov(state(offsetof(HartState, budget), 8), r14);
        a.mov(state(offsetof(HartState, reason), 4), Imm(static_cast<std::uint32_t>(reason)));
        a.jmp(Imm(routines_.leave_));
    }

    x86::Assembler a;

private:
    Routines& routines_;
    CodeHolder code_;
};

Routines::Routines(
    std::span<std::byte> writable, std::uint64_t address, const RuntimeEntries& entries
)
    : writable_(writable)
    , address_(address) {
    make_entry();
    make_leave();
    make_memory(entries);
    load = make_second_level(offsetof(TlbEntry, read_tag));
    store = make_second_level(offsetof(TlbEntry, write_tag));
    make_poll(entries);
    make_system(entries);
    make_call();
}

void Routines::make_entry() {
    Builder b(*this);
    enter = b.address();
    for (const auto& reg : {x86::rbx, x86::rbp, x86::r12, x86::r13, r14, r15}) {
        b.a.push(reg);
    }
    // Guest calls find their return address at [rsp + 8]; odd, this one never matches.
    b.a.sub(rsp, 8);
    b.a.push(-1);
    b.a.sub(rsp, 8);
    b.a.lea(r15, x86::ptr(rdi, static_cast<std::int32_t>(kStateBias)));
    b.a.mov(r14, state(offsetof(HartState, budget), 8));
    b.a.mov(kTlb, state(offsetof(HartState, tlb), 8));
    b.a.lea(rax, x86::ptr(rsp, -kCallStackBytes));
    b.a.mov(state(offsetof(HartState, stack_base), 8), rsp);
    b.a.mov(state(offsetof(HartState, stack_limit), 8), rax);
    b.a.jmp(rsi);
}

void Routines::make_leave() {
    {
        Builder b(*this);
        leave_ = b.address();
        b.a.mov(rsp, state(offsetof(HartState, stack_base), 8));
        b.a.add(rsp, 24);
        for (const auto& reg : {r15, r14, x86::r13, x86::r12, x86::rbp, x86::rbx}) {
            b.a.pop(reg);
        }
        b.a.ret();
    }
    {
        Builder b(*this);
        resume_ = b.address();
        b.a.cmp(
            state(offsetof(HartState, reason), 4),
            Imm(static_cast<std::uint32_t>(LeaveReason::resume))
        );
        b.a.jne(Imm(leave_));
        b.a.mov(r14, state(offsetof(HartState, budget), 8));
        b.a.mov(kTlb, state(offsetof(HartState, tlb), 8));
        b.a.test(r14, r14);
        b.a.js(Imm(leave_));
        b.a.mov(rax, state(offsetof(HartState, pc), 8));
        emit_jump_lookup(b.a, leave_);
        b.a.mov(rsp, state(offsetof(HartState, stack_base), 8));
        b.a.jmp(x86::ptr(rcx, offsetof(JumpEntry, code)));
    }
    const auto make_site = [&](LeaveReason reason) {
        Builder b(*this);
        b.a.pop(rax);
        b.a.mov(state(offsetof(HartState, leave_site), 8), rax);
        b.leave(reason);
        return b.address();
    };
    link = make_site(LeaveReason::link);
    hot = make_site(LeaveReason::hot);
    const auto make_jump = [&](LeaveReason reason) {
        Builder b(*this);
        b.a.mov(state(offsetof(HartState, pc), 8), rax);
        b.leave(reason);
        return b.address();
    };
    dispatch = make_jump(LeaveReason::dispatch);
    breakpoint = make_jump(LeaveReason::breakpoint);
}

void Routines::make_memory(const RuntimeEntries& entries) {
    Builder b(*this);
    memory_ = b.address();
    b.save_residents();
    b.a.mov(rsi, rax);
    b.a.xchg(rdx, rcx);  // value, AccessInfo
    b.a.mov(x86::r8, x86::ptr(rsp));
    b.call(entries.memory);
    b.a.cmp(eax, Imm(static_cast<std::uint32_t>(Outcome::leave)));
    b.a.je(Imm(resume_));
    b.a.mov(ecx, eax);
    b.restore_residents();
    b.a.neg(ecx);  // carry: done
    b.a.mov(rax, state(offsetof(HartState, argument), 8));
    b.a.ret();
}

/// Looks in the second level; what it finds there it copies to the first.
std::uint64_t Routines::make_second_level(std::size_t tag) {
    constexpr auto kSecond = static_cast<std::int32_t>(offsetof(DataTlb, second));
    constexpr auto kFirst = static_cast<std::int32_t>(offsetof(DataTlb, entries));
    constexpr auto kFirstMask = static_cast<std::int32_t>((kTlbEntries - 1) << kTlbEntryShift);
    constexpr auto kSecondMask = static_cast<std::int32_t>((kSecondEntries - 1) << kTlbEntryShift);
    Builder b(*this);
    const Label miss = b.a.newLabel();
    b.a.mov(state(offsetof(HartState, argument), 8), rcx);
    b.a.mov(state(offsetof(HartState, access_info), 8), rdx);
    b.a.and_(edx, AccessInfo::kSizeMask);
    b.a.sub(edx, 1);
    b.a.test(eax, edx);
    b.a.jnz(miss);  // misaligned
    b.a.rorx(rcx, rax, 12 - kTlbEntryShift);
    b.a.rorx(rdx, rax, 12 - kTlbEntryShift + kSecondHashShift);
    b.a.xor_(ecx, edx);
    b.a.and_(ecx, kSecondMask);
    b.a.add(rcx, kTlb);
    b.a.mov(rdx, rax);
    b.a.and_(rdx, -4096);
    b.a.cmp(rdx, x86::ptr(rcx, kSecond + static_cast<std::int32_t>(tag)));
    b.a.jne(miss);
    b.a.movups(x86::xmm0, x86::ptr(rcx, kSecond));
    b.a.movups(x86::xmm1, x86::ptr(rcx, kSecond + 16));
    b.a.mov(rdx, x86::ptr(rcx, kSecond + static_cast<std::int32_t>(offsetof(TlbEntry, addend))));
    b.a.rorx(rcx, rax, 12 - kTlbEntryShift);
    b.a.and_(ecx, kFirstMask);
    b.a.add(rcx, kTlb);
    b.a.movups(x86::ptr(rcx, kFirst), x86::xmm0);
    b.a.movups(x86::ptr(rcx, kFirst + 16), x86::xmm1);
    b.a.add(rax, rdx);
    b.a.clc();
    b.a.ret();
    b.a.bind(miss);
    b.a.mov(rcx, state(offsetof(HartState, argument), 8));
    b.a.mov(rdx, state(offsetof(HartState, access_info), 8));
    b.a.jmp(Imm(memory_));
    return b.address();
}

void Routines::make_poll(const RuntimeEntries& entries) {
    Builder b(*this);
    poll = b.address();
    b.save_residents();
    b.a.mov(rsi, x86::ptr(rsp));
    b.call(entries.poll);
    b.a.test(eax, eax);
    b.a.jnz(Imm(resume_));
    b.restore_residents();
    b.a.ret();
}

void Routines::make_system(const RuntimeEntries& entries) {
    Builder b(*this);
    system = b.address();
    b.a.mov(state(offsetof(HartState, budget), 8), r14);
    b.call(entries.system);
    b.a.mov(r14, state(offsetof(HartState, budget), 8));
    b.a.mov(kTlb, state(offsetof(HartState, tlb), 8));
    b.a.test(eax, eax);
    b.a.jnz(Imm(resume_));
    b.a.ret();
}

void Routines::make_call() {
    Builder b(*this);
    call_ = b.address();
    // rax = function, HartState::argument = first argument, rcx and rdx the others.
    b.save_residents();
    b.a.mov(rsi, state(offsetof(HartState, argument), 8));
    b.a.xchg(rdx, rcx);
    b.a.lea(rdi, x86::ptr(r15, -static_cast<std::int32_t>(kStateBias)));
    b.a.sub(rsp, 8);
    b.a.call(rax);
    b.a.add(rsp, 8);
    b.restore_residents();
    b.a.ret();
}

std::uint64_t Routines::thunk(Helper function) {
    const auto target = reinterpret_cast<std::uint64_t>(function);
    if (const auto known = thunks_.find(target); known != thunks_.end()) {
        return known->second;
    }
    Builder b(*this);
    b.a.mov(state(offsetof(HartState, argument), 8), rax);
    b.a.mov(rax, Imm(target));
    b.a.jmp(Imm(call_));
    thunks_.emplace(target, b.address());
    return b.address();
}

}  // namespace vmm::dbt
