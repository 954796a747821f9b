// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// preserve_none passes twelve values in registers and preserves none, so that a chain of tail
/// calls keeps the interpreter's state in registers. Hosts without it use their usual convention,
/// and so do builds under AddressSanitizer, whose stack frames clang-19 cannot combine with it.
#if defined(__x86_64__) && !__has_feature(address_sanitizer)
#define COPS_PRESERVE_NONE __attribute__((preserve_none))
#else
#define COPS_PRESERVE_NONE
#endif

/// Parameters of every handler.
///   ip      the pre-decoded instruction to execute
///   cpu     the hart
///   base    virtual address of the page that `ip` was fetched from
///   budget  instructions left until the next poll; negative: poll at the next jump
///   tlb     data translations at the current privilege
#define COPS_OP_PARAMETERS                                                                         \
    [[maybe_unused]] vmm::interp::Insn *ip, [[maybe_unused]] vmm::interp::Cpu *cpu,                \
        [[maybe_unused]] std::uint64_t base, [[maybe_unused]] std::int64_t budget,                 \
        [[maybe_unused]] const vmm::TlbEntry *tlb
#define COPS_OP_ARGUMENTS ip, cpu, base, budget, tlb

namespace vmm {
struct TlbEntry;
}

namespace vmm::interp {

struct Cpu;
struct Insn;
struct CodePage;

using Handler = COPS_PRESERVE_NONE void (*)(COPS_OP_PARAMETERS);

/// A pre-decoded instruction. Blocks are arrays of these, one element for each guest instruction
/// even where a fused handler executes two at once: the second element stays usable by itself.
struct Insn {
    Handler run;
    std::int32_t imm;  ///< As the handler wants it; see translate.cpp.
    std::uint8_t rd;   ///< kSink instead of x0.
    std::uint8_t rs1;
    std::uint8_t rs2;
    std::uint8_t index;  ///< Guest instructions before this one in its block.
};
static_assert(sizeof(Insn) == 16);

/// Writes to x0 go here, so that handlers need not test for it.
inline constexpr std::uint8_t kSink = 32;

/// Stands right before the first Insn of its block.
struct Block {
    CodePage* page;
    Block* next;           ///< In its page's bucket.
    std::uint32_t word;    ///< The instruction's bits in a block that crosses pages, else 0.
    std::uint16_t offset;  ///< Where in the page the first instruction begins.
    std::uint16_t count;   ///< Guest instructions; one more Insn follows when the block falls
                           ///< through or stops.
    std::uint64_t reserved;
};
static_assert(sizeof(Block) == 2 * sizeof(Insn));

inline Insn* first_insn(Block* block) {
    return reinterpret_cast<Insn*>(block + 1);
}
inline Block* block_of(Insn* ip) {
    return reinterpret_cast<Block*>(ip - ip->index) - 1;
}
inline const Block* block_of(const Insn* ip) {
    return reinterpret_cast<const Block*>(ip - ip->index) - 1;
}

}  // namespace vmm::interp
