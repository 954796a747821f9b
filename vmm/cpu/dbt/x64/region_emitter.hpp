// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"
#include "cpu/dbt/x64/emitter.hpp"
#include "cpu/dbt/x64/routines.hpp"
#include "cpu/dbt/x64/site.hpp"

#include <asmjit/x86.h>

#include <cstdint>
#include <vector>

namespace vmm::dbt {

/// Operations that only compute (emit_integer*.cpp).
void emit_integer(Emitter& e, const ir::Inst& inst);

/// Turns one region into host code: blocks, exits, memory accesses.
class RegionEmitter {
public:
    RegionEmitter(
        asmjit::CodeHolder& code,
        asmjit::x86::Assembler& assembler,
        const ir::Region& region,
        const Allocation& allocation,
        Routines& routines,
        Counting counting,
        std::vector<Site>& sites
    );

    /// `counter`: address of the 32-bit word that counts entries down; 0: none.
    void emit(std::uint64_t counter);

private:
    using Gp = asmjit::x86::Gp;
    using Mem = asmjit::x86::Mem;
    using Label = asmjit::Label;

    // region_emitter.cpp
    /// All blocks, when the f registers `boxed` hold NaN-boxed singles where they are entered.
    void blocks(std::uint32_t boxed);
    void block(std::size_t number);
    /// One instruction of the block and what follows from it for the next.
    void step(std::size_t index);
    void instruction(const ir::Inst& inst);
    void system(const ir::Inst& inst);
    void fence(const ir::Inst& inst);
    void load_registers(RegisterSet registers);
    void store_registers(RegisterSet registers);
    /// Adds 1 to a counter of HartState if code counts; changes the host's flags then.
    void count(std::size_t counter);
    /// To be called right behind a call to a routine that wants to know where it came from.
    void add_site(Site site);
    /// A site for the guest instruction that `inst` belongs to.
    Site site_of(const ir::Inst& inst, Site::Kind kind) const;

    // emit_control.cpp
    void branch(const ir::Inst& inst);
    asmjit::x86::CondCode compare(const ir::Inst& inst);
    void jump(const ir::Inst& inst);
    void jump_indirect(const ir::Inst& inst);
    void leave(const ir::Inst& inst);
    /// To code outside of the region; everything is written back.
    void exit_to(std::int64_t offset);
    void call(const ir::Target& target);
    /// rax = virtual address of an offset from the page.
    void address_of(std::int64_t offset);
    /// To the address in rax, through the jump cache. A call comes back behind it.
    void look_up_and_jump(bool is_call);
    /// Pushes the address that the guest's call returns to. Keeps rax.
    void push_return_address();
    /// What the called code's return comes back to.
    void return_landing();

    // emit_memory.cpp
    void load(const ir::Inst& inst);
    void store(const ir::Inst& inst);
    void read_memory(const ir::Inst& inst, const Mem& at);
    void write_memory(const ir::Inst& inst, const Mem& at);
    /// Whether the probe that the access names has found its bytes.
    bool is_probed(const ir::Inst& inst) const { return probed_ && inst.c != ir::kNone; }
    /// rax = host address for an access to memory[a + imm]. Without an inline answer, cold code
    /// asks the runtime, which may have done the whole access: then it goes on at `done`.
    void look_up(const ir::Inst& inst, bool is_store, const Label& done);
    /// The same for a plain access, by way of the access's own TlbSlot. Returns where the bytes
    /// are; rdx is free.
    Mem look_up_slot(const ir::Inst& inst, bool is_store, const Label& done);
    void ask(const ir::Inst& inst, bool is_store, bool atomic, const Site& site);
    /// rcx = where in DataTlb::entries the page of the address in rax may be.
    void index_tlb();
    /// A member of the TlbEntry that rcx says.
    static Mem tlb_entry(std::size_t member);
    static std::size_t tag_of(bool store);
    /// A guest address as the sum of a register, which may be rax, and a displacement.
    struct GuestAddress {
        Gp base;
        std::int32_t offset;
    };
    GuestAddress address_parts(const ir::Inst& inst);
    void guest_address(const ir::Inst& inst);
    void loaded(const ir::Inst& inst);

    // emit_probe.cpp
    /// Instructions of a block from a probe to the last access of all probes in between. When a
    /// probe fails, execution goes on in a copy of them that does without.
    struct Shared {
        std::size_t first = 0;
        std::size_t last = 0;
        std::vector<Label> failed;  ///< One for each probe.
        Label joined;
    };
    std::vector<Shared> find_shared();
    void probe(const ir::Inst& inst, const Label& failed);
    void copy_without_probes(const Shared& shared);

    // emit_atomic.cpp
    void load_reserved(const ir::Inst& inst);
    void store_conditional(const ir::Inst& inst);
    void amo(const ir::Inst& inst);
    void amo_loop(const ir::Inst& inst);
    void write_result(const ir::Inst& inst, const Gp& value);

    asmjit::CodeHolder& code_;
    asmjit::x86::Assembler& a;
    const ir::Region& region_;
    const Allocation& allocation_;
    Routines& routines_;
    Counting counting_;
    std::vector<Site>& sites_;
    Emitter e;
    /// f registers known to hold boxed singles where each block begins.
    std::vector<std::uint32_t> boxed_;
    std::vector<Label> labels_;
    /// Instructions of the block whose NaN results need not be canonical.
    std::vector<bool> any_nan_will_do_;
    bool probed_ = true;  ///< Probes have succeeded; false in the copy for when they have not.
    const ir::Block* block_ = nullptr;
    std::size_t number_ = 0;  ///< Of the block.
    /// Registers that differ from their homes at this point of the block.
    RegisterSet dirty_ = 0;
    std::size_t next_reload_ = 0;
    bool is_hot_ = false;
    bool has_return_ = false;  ///< A push_return waits for its jump.
    std::int64_t return_offset_ = 0;
};

}  // namespace vmm::dbt
