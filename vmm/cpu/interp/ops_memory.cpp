// SPDX-License-Identifier: Apache-2.0
// Loads, stores and fences. (Those of floating-point registers are here as well.)
#include "cpu/interp/ops_memory.hpp"

namespace vmm::interp {
namespace {

// What a loaded value becomes in an f register: a single is NaN-boxed.
inline std::uint64_t box(std::uint64_t value) {
    return value | 0xffff'ffff'0000'0000;
}

template <class T>
COPS_OP(load) {
    const std::uint64_t address = effective_address(ip, cpu);
    const TlbEntry* entry = read_entry<T>(tlb, address);
    if (entry == nullptr) [[unlikely]] {
        COPS_TAIL(load_slow<T>);
    }
    cpu->x[ip->rd] = load_through<T>(entry, address);
    COPS_NEXT();
}

template <class T>
COPS_OP(store) {
    const std::uint64_t address = effective_address(ip, cpu);
    const TlbEntry* entry = write_entry<T>(tlb, address);
    if (entry == nullptr) [[unlikely]] {
        COPS_TAIL(store_slow<T>);
    }
    store_through<T>(entry, address, cpu->x[ip->rs2]);
    COPS_NEXT();
}

template <class T>
COPS_OP(float_load_slow) {
    std::uint64_t value = 0;
    if (cpu->float_state == riscv::FloatState::off) {
        COPS_TAIL(op_illegal);
    }
    if (!cpu->load(effective_address(ip, cpu), sizeof(T), value)) {
        COPS_TAIL(op_fault);
    }
    cpu->float_state = riscv::FloatState::dirty;
    cpu->hart.set_float_state(riscv::FloatState::dirty);
    cpu->f[ip->rd] = sizeof(T) == 4 ? box(value) : value;
    if (cpu->leave_block) {
        COPS_TAIL(op_leave_block);
    }
    COPS_NEXT();
}

template <class T>
COPS_OP(float_load) {
    const std::uint64_t address = effective_address(ip, cpu);
    const TlbEntry& entry = tlb[tlb_index(address)];
    if (entry.read_tag != tag_of<T>(address) || cpu->float_state != riscv::FloatState::dirty)
        [[unlikely]] {
        COPS_TAIL(float_load_slow<T>);
    }
    const std::uint64_t value =
        load_guest_word<T>(reinterpret_cast<const std::byte*>(address + entry.addend));
    cpu->f[ip->rd] = sizeof(T) == 4 ? box(value) : value;
    COPS_NEXT();
}

template <class T>
COPS_OP(float_store_slow) {
    if (cpu->float_state == riscv::FloatState::off) {
        COPS_TAIL(op_illegal);
    }
    if (!cpu->store(effective_address(ip, cpu), sizeof(T), cpu->f[ip->rs2])) {
        COPS_TAIL(op_fault);
    }
    if (cpu->leave_block) {
        COPS_TAIL(op_leave_block);
    }
    COPS_NEXT();
}

template <class T>
COPS_OP(float_store) {
    const std::uint64_t address = effective_address(ip, cpu);
    const TlbEntry& entry = tlb[tlb_index(address)];
    if (entry.write_tag != tag_of<T>(address) || cpu->float_state == riscv::FloatState::off)
        [[unlikely]] {
        COPS_TAIL(float_store_slow<T>);
    }
    store_guest_word(
        reinterpret_cast<std::byte*>(address + entry.addend), static_cast<T>(cpu->f[ip->rs2])
    );
    COPS_NEXT();
}

}  // namespace

COPS_OP(op_lb) {
    COPS_TAIL(load<std::int8_t>);
}
COPS_OP(op_lh) {
    COPS_TAIL(load<std::int16_t>);
}
COPS_OP(op_lw) {
    COPS_TAIL(load<std::int32_t>);
}
COPS_OP(op_ld) {
    COPS_TAIL(load<std::int64_t>);
}
COPS_OP(op_lbu) {
    COPS_TAIL(load<std::uint8_t>);
}
COPS_OP(op_lhu) {
    COPS_TAIL(load<std::uint16_t>);
}
COPS_OP(op_lwu) {
    COPS_TAIL(load<std::uint32_t>);
}
COPS_OP(op_sb) {
    COPS_TAIL(store<std::uint8_t>);
}
COPS_OP(op_sh) {
    COPS_TAIL(store<std::uint16_t>);
}
COPS_OP(op_sw) {
    COPS_TAIL(store<std::uint32_t>);
}
COPS_OP(op_sd) {
    COPS_TAIL(store<std::uint64_t>);
}
COPS_OP(op_flw) {
    COPS_TAIL(float_load<std::uint32_t>);
}
COPS_OP(op_fld) {
    COPS_TAIL(float_load<std::uint64_t>);
}
COPS_OP(op_fsw) {
    COPS_TAIL(float_store<std::uint32_t>);
}
COPS_OP(op_fsd) {
    COPS_TAIL(float_store<std::uint64_t>);
}

COPS_OP(op_fence) {
    // imm: fm, pred (bits 4..7: I O R W), succ (bits 0..3). Guest accesses are relaxed, so the
    // weaker fences have to be real on hosts that reorder more than x86 does.
    constexpr std::int32_t kPredWrites = 5 << 4;  // O, W
    constexpr std::int32_t kSuccReads = 10;       // I, R
    if ((ip->imm & kPredWrites) != 0 && (ip->imm & kSuccReads) != 0) {
        std::atomic_thread_fence(std::memory_order_seq_cst);
    } else {
        std::atomic_thread_fence(std::memory_order_acq_rel);
    }
    COPS_NEXT();
}

}  // namespace vmm::interp
