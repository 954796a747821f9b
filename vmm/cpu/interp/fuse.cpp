// SPDX-License-Identifier: Apache-2.0
#include "cpu/interp/fuse.hpp"

#include "cpu/interp/ops_jump.hpp"
#include "cpu/interp/ops_memory.hpp"

#include <array>
#include <utility>

namespace vmm::interp {
namespace {

/// Goes on behind a fused pair.
#define COPS_NEXT_PAIR() [[clang::musttail]] return ip[2].run(ip + 2, cpu, base, budget, tlb)

// Instructions that compute: the plain handler that marks them, and their value given rs1's.

template <Handler handler, class Function>
struct Registers {
    static constexpr Handler kPlain = handler;
    static std::uint64_t value(const Insn* ip, const Cpu* cpu, std::uint64_t rs1) {
        return Function::of(rs1, cpu->x[ip->rs2]);
    }
};
template <Handler handler, class Function>
struct Immediate {
    static constexpr Handler kPlain = handler;
    static std::uint64_t value(const Insn* ip, const Cpu*, std::uint64_t rs1) {
        return Function::of(rs1, static_cast<std::uint64_t>(std::int64_t{ip->imm}));
    }
};
struct Li {
    static constexpr Handler kPlain = op_li;
    static std::uint64_t value(const Insn* ip, const Cpu*, std::uint64_t) {
        return static_cast<std::uint64_t>(std::int64_t{ip->imm});
    }
};
struct Mv {
    static constexpr Handler kPlain = op_mv;
    static std::uint64_t value(const Insn*, const Cpu*, std::uint64_t rs1) { return rs1; }
};
template <Handler handler, class T>
struct Load {
    static constexpr Handler kPlain = handler;
    using Type = T;
};
template <class Condition>
struct Branch : Condition {
    static constexpr Handler kPlain = branch_linked<Condition>;
};

using Addi = Immediate<op_addi, alu::Add>;
using Add = Registers<op_add, alu::Add>;
using Sub = Registers<op_sub, alu::Sub>;
using Slli = Immediate<op_slli, alu::Sll>;
using Srli = Immediate<op_srli, alu::Srl>;
using Andi = Immediate<op_andi, alu::And>;
using And = Registers<op_and_rr, alu::And>;
using Or = Registers<op_or_rr, alu::Or>;
using Xor = Registers<op_xor_rr, alu::Xor>;
using Addw = Registers<op_addw, alu::Addw>;
using Addiw = Immediate<op_addiw, alu::Addw>;
using Slliw = Immediate<op_slliw, alu::Sllw>;
using Srliw = Immediate<op_srliw, alu::Srlw>;
using Mul = Registers<op_mul, alu::Mul>;
using Lbu = Load<op_lbu, std::uint8_t>;
using Lhu = Load<op_lhu, std::uint16_t>;
using Lw = Load<op_lw, std::int32_t>;
using Lwu = Load<op_lwu, std::uint32_t>;
using Ld = Load<op_ld, std::int64_t>;

// The fused handlers. `forward`: the second's rs1 is the first's result, which then needs not make
// the round through memory.

template <bool forward>
std::uint64_t second_rs1(const Insn* ip, const Cpu* cpu, std::uint64_t first) {
    return forward ? first : cpu->x[ip[1].rs1];
}

struct ComputeCompute {
    template <bool forward, class A, class B>
    static COPS_OP(run) {
        const std::uint64_t first = A::value(ip, cpu, cpu->x[ip->rs1]);
        cpu->x[ip->rd] = first;
        cpu->x[ip[1].rd] = B::value(ip + 1, cpu, second_rs1<forward>(ip, cpu, first));
        COPS_NEXT_PAIR();
    }
};

struct ComputeLoad {
    template <bool forward, class A, class B>
    static COPS_OP(run) {
        using T = typename B::Type;
        const std::uint64_t first = A::value(ip, cpu, cpu->x[ip->rs1]);
        cpu->x[ip->rd] = first;
        const std::uint64_t address = second_rs1<forward>(ip, cpu, first)
                                      + static_cast<std::uint64_t>(std::int64_t{ip[1].imm});
        const TlbEntry* entry = read_entry<T>(tlb, address);
        if (entry == nullptr) [[unlikely]] {
            ++ip;
            COPS_TAIL(load_slow<T>);
        }
        cpu->x[ip[1].rd] = load_through<T>(entry, address);
        COPS_NEXT_PAIR();
    }
};

struct LoadCompute {
    template <bool forward, class A, class B>
    static COPS_OP(run) {
        using T = typename A::Type;
        const std::uint64_t address = effective_address(ip, cpu);
        const TlbEntry* entry = read_entry<T>(tlb, address);
        if (entry == nullptr) [[unlikely]] {
            COPS_TAIL(load_slow<T>);
        }
        const std::uint64_t first = load_through<T>(entry, address);
        cpu->x[ip->rd] = first;
        cpu->x[ip[1].rd] = B::value(ip + 1, cpu, second_rs1<forward>(ip, cpu, first));
        COPS_NEXT_PAIR();
    }
};

#define COPS_BRANCH_PAIR(Condition, first)                                                         \
    if (Condition::of(second_rs1<forward>(ip, cpu, first), cpu->x[ip[1].rs2])) {                   \
        budget = retire(budget, ip + 1);                                                           \
        ip = linked_target(ip + 1);                                                                \
        if (budget < 0) [[unlikely]] {                                                             \
            COPS_TAIL(op_poll);                                                                    \
        }                                                                                          \
        COPS_DISPATCH();                                                                           \
    }                                                                                              \
    COPS_NEXT_PAIR()

struct ComputeBranch {
    template <bool forward, class A, class B>
    static COPS_OP(run) {
        const std::uint64_t first = A::value(ip, cpu, cpu->x[ip->rs1]);
        cpu->x[ip->rd] = first;
        COPS_BRANCH_PAIR(B, first);
    }
};

struct LoadBranch {
    template <bool forward, class A, class B>
    static COPS_OP(run) {
        using T = typename A::Type;
        const std::uint64_t address = effective_address(ip, cpu);
        const TlbEntry* entry = read_entry<T>(tlb, address);
        if (entry == nullptr) [[unlikely]] {
            COPS_TAIL(load_slow<T>);
        }
        const std::uint64_t first = load_through<T>(entry, address);
        cpu->x[ip->rd] = first;
        COPS_BRANCH_PAIR(B, first);
    }
};

/// Two loads of doublewords, as at a function's end.
COPS_OP(load_load) {
    const std::uint64_t first = effective_address(ip, cpu);
    const TlbEntry* entry = read_entry<std::int64_t>(tlb, first);
    if (entry == nullptr) [[unlikely]] {
        COPS_TAIL(load_slow<std::int64_t>);
    }
    cpu->x[ip->rd] = load_through<std::int64_t>(entry, first);
    ++ip;
    const std::uint64_t second = effective_address(ip, cpu);
    entry = read_entry<std::int64_t>(tlb, second);
    if (entry == nullptr) [[unlikely]] {
        COPS_TAIL(load_slow<std::int64_t>);
    }
    cpu->x[ip->rd] = load_through<std::int64_t>(entry, second);
    COPS_NEXT();
}

/// Two stores of doublewords, as at a function's beginning.
COPS_OP(store_store) {
    const std::uint64_t first = effective_address(ip, cpu);
    const TlbEntry* entry = write_entry<std::uint64_t>(tlb, first);
    if (entry == nullptr) [[unlikely]] {
        COPS_TAIL(store_slow<std::uint64_t>);
    }
    store_through<std::uint64_t>(entry, first, cpu->x[ip->rs2]);
    ++ip;
    const std::uint64_t second = effective_address(ip, cpu);
    entry = write_entry<std::uint64_t>(tlb, second);
    if (entry == nullptr) [[unlikely]] {
        COPS_TAIL(store_slow<std::uint64_t>);
    }
    store_through<std::uint64_t>(entry, second, cpu->x[ip->rs2]);
    COPS_NEXT();
}

// Tables of them: for each first and second their plain handlers, and the fused one of both.

template <class... Members>
struct List {};

using ComputeFirst =
    List<Addi, Add, Slli, Srli, Andi, Or, Xor, Addw, Addiw, Slliw, Srliw, Mul, Li, Mv>;
using ComputeSecond =
    List<Addi, Add, Sub, Slli, Srli, Andi, And, Or, Xor, Addw, Addiw, Slliw, Srliw, Mv>;
using AddressFirst = List<Addi, Add, Slli, Mv>;
using Loads = List<Lbu, Lhu, Lw, Lwu, Ld>;
using Branches = List<
    Branch<alu::Eq>,
    Branch<alu::Ne>,
    Branch<alu::Lt>,
    Branch<alu::Ge>,
    Branch<alu::Ltu>,
    Branch<alu::Geu>>;

struct Pair {
    Handler first;
    Handler second;
    std::array<Handler, 2> fused;  ///< Without and with forwarding.
};

template <class Shape, class A, class... B>
constexpr std::array<Pair, sizeof...(B)> row(List<B...>) {
    return {Pair{
        A::kPlain,
        B::kPlain,
        {Shape::template run<false, A, B>, Shape::template run<true, A, B>},
    }...};
}

template <class Shape, class... A, class... B>
constexpr auto table(List<A...>, List<B...> seconds) {
    return std::array{row<Shape, A>(seconds)...};
}

constexpr auto kComputeCompute = table<ComputeCompute>(ComputeFirst{}, ComputeSecond{});
constexpr auto kComputeLoad = table<ComputeLoad>(AddressFirst{}, Loads{});
constexpr auto kLoadCompute = table<LoadCompute>(Loads{}, ComputeSecond{});
constexpr auto kComputeBranch = table<ComputeBranch>(ComputeFirst{}, Branches{});
constexpr auto kLoadBranch = table<LoadBranch>(Loads{}, Branches{});

template <class Table>
const Pair* find(const Table& pairs, Handler first, Handler second) {
    for (const auto& same_first : pairs) {
        if (same_first.front().first != first) {
            continue;
        }
        for (const Pair& pair : same_first) {
            if (pair.second == second) {
                return &pair;
            }
        }
    }
    return nullptr;
}

template <class Table>
bool has_first(const Table& pairs, Handler first) {
    for (const auto& same_first : pairs) {
        if (same_first.front().first == first) {
            return true;
        }
    }
    return false;
}

/// Instructions whose operands may change places.
bool commutes(Handler handler) {
    return handler == op_add || handler == op_xor_rr || handler == op_or_rr || handler == op_and_rr
           || handler == op_addw
           || handler == branch_linked<alu::Eq> || handler == branch_linked<alu::Ne>;
}

void apply(const Pair* pair, Insn* ip) {
    Insn& second = ip[1];
    if (second.rs1 != ip->rd && second.rs2 == ip->rd && commutes(pair->second)) {
        std::swap(second.rs1, second.rs2);
    }
    ip->run = pair->fused[second.rs1 == ip->rd ? 1 : 0];
}

bool is_branch(Handler handler) {
    return handler == op_beq || handler == op_bne || handler == op_blt || handler == op_bge
           || handler == op_bltu || handler == op_bgeu;
}

bool fuse_pair(Insn* ip) {
    if (ip->run == op_ld && ip[1].run == op_ld) {
        ip->run = load_load;
        return true;
    }
    if (ip->run == op_sd && ip[1].run == op_sd) {
        ip->run = store_store;
        return true;
    }
    const Pair* pair = find(kComputeCompute, ip->run, ip[1].run);
    if (pair == nullptr) {
        pair = find(kComputeLoad, ip->run, ip[1].run);
    }
    if (pair == nullptr) {
        pair = find(kLoadCompute, ip->run, ip[1].run);
    }
    if (pair == nullptr) {
        return false;
    }
    apply(pair, ip);
    return true;
}

}  // namespace

void fuse_block(Insn* first, std::size_t count) {
    for (std::size_t n = 0; n + 1 < count; ++n) {
        // What stands before a branch is kept for it: see fuse_branch().
        const bool before_branch = n + 2 < count && is_branch(first[n + 2].run)
                                   && (has_first(kComputeBranch, first[n + 1].run)
                                       || has_first(kLoadBranch, first[n + 1].run));
        if (!before_branch && fuse_pair(&first[n])) {
            ++n;
        }
    }
}

void fuse_branch(Insn* ip) {
    if (ip->index == 0) {
        return;
    }
    const Pair* pair = find(kComputeBranch, ip[-1].run, ip->run);
    if (pair == nullptr) {
        pair = find(kLoadBranch, ip[-1].run, ip->run);
    }
    if (pair != nullptr) {
        apply(pair, ip - 1);
    }
}

}  // namespace vmm::interp
