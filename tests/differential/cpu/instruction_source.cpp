// SPDX-License-Identifier: Apache-2.0
#include "instruction_source.hpp"

#include <array>
#include <cstring>

namespace differential {

using rv::Word;
using vmm::riscv::Format;
using vmm::riscv::InstructionInfo;
using vmm::riscv::Op;

namespace {

constexpr std::array<std::uint64_t, 28> kSpecialDoubles = {
    0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000,
    0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001,
    0xfff4000000000000, 0x0000000000000001, 0x800fffffffffffff, 0x0010000000000000,
    0x7fefffffffffffff, 0x41dfffffffc00000, 0x41e0000000000000, 0xc1e0000000200000,
    0x43dfffffffffffff, 0x43e0000000000000, 0x43f0000000000000, 0x3fe0000000000000,
    0x3fefffffffffffff, 0x4004000000000000, 0xbfe0000000000000, 0x36a0000000000000,
    0x380fffffffffffff, 0x47efffffefffffff, 0x47effffff0000000, 0x3810000000000000,
};
constexpr std::array<std::uint32_t, 18> kSpecialSingles = {
    0x00000000,
    0x80000000,
    0x3f800000,
    0xbf800000,
    0x7f800000,
    0xff800000,
    0x7fc00000,
    0x7f800001,
    0xffa00000,
    0x00000001,
    0x807fffff,
    0x00800000,
    0x7f7fffff,
    0x4effffff,
    0x4f000000,
    0x5effffff,
    0x3f000000,
    0x40200000,
};
constexpr std::array<std::uint64_t, 10> kSpecialIntegers = {
    0,
    1,
    ~0ULL,
    0x8000000000000000,
    0x7fffffffffffffff,
    0x80000000,
    0x7fffffff,
    0xffffffff80000000,
    63,
    0x100000000,
};

constexpr Word kSystemOpcode = 0x73;

bool reads_f(Op op) {
    switch (op) {
    case Op::fmv_w_x:
    case Op::fmv_d_x:
    case Op::fcvt_s_w:
    case Op::fcvt_s_wu:
    case Op::fcvt_s_l:
    case Op::fcvt_s_lu:
    case Op::fcvt_d_w:
    case Op::fcvt_d_wu:
    case Op::fcvt_d_l:
    case Op::fcvt_d_lu:
        return false;
    default:
        return true;
    }
}

bool writes_x(Op op) {
    switch (op) {
    case Op::feq_s:
    case Op::flt_s:
    case Op::fle_s:
    case Op::fclass_s:
    case Op::fmv_x_w:
    case Op::feq_d:
    case Op::flt_d:
    case Op::fle_d:
    case Op::fclass_d:
    case Op::fmv_x_d:
    case Op::fcvt_w_s:
    case Op::fcvt_wu_s:
    case Op::fcvt_l_s:
    case Op::fcvt_lu_s:
    case Op::fcvt_w_d:
    case Op::fcvt_wu_d:
    case Op::fcvt_l_d:
    case Op::fcvt_lu_d:
        return true;
    default:
        return false;
    }
}

/// Whether one() can make something of it.
bool is_ordinary(const InstructionInfo& info) {
    switch (info.format) {
    case Format::i:
        return info.op != Op::jalr && info.op != Op::fence;
    case Format::r:
    case Format::unary:
        return (info.match & 0x7f) != kSystemOpcode;
    case Format::s:
    case Format::u:
    case Format::shift5:
    case Format::shift6:
    case Format::amo:
    case Format::fp_load:
    case Format::fp_store:
    case Format::fp_r:
    case Format::fp_rm:
    case Format::fp_r4:
        return true;
    default:
        return false;
    }
}

}  // namespace

bool known_to_qemu(const InstructionInfo& info) {
    // QEMU 7.2 lacks Zicond, and its clzw and ctzw look at the wrong bits (fixed in 8.0).
    return !info.mnemonic.starts_with("czero.") && info.op != Op::clzw && info.op != Op::ctzw;
}

InstructionSource::InstructionSource(std::uint64_t seed, Subset subset)
    : random_(seed) {
    for (const InstructionInfo& info : vmm::riscv::instruction_table()) {
        const bool conditional = info.op == Op::sc_w || info.op == Op::sc_d;
        if (is_ordinary(info) && (subset.unknown_to_qemu || known_to_qemu(info))
            && (subset.store_conditional || !conditional)) {
            usable_.push_back(info);
        }
    }
}

std::uint64_t InstructionSource::integer() {
    return chance(40) ? any_of(kSpecialIntegers) : random_() >> below(64);
}

std::uint64_t InstructionSource::number() {
    switch (below(8)) {
    case 0:
    case 1:
        return any_of(kSpecialDoubles);
    case 2:
    case 3:
        return 0xffffffff00000000 | any_of(kSpecialSingles);
    case 4:
        return 0xffffffff00000000 | static_cast<std::uint32_t>(random_());
    case 5:  // near one another, so that sums cancel
        return 0x3ff0000000000000 + (random_() >> 11);
    case 6:
        return 0xffffffff3f800000 + (random_() >> 41);
    default:
        return random_();
    }
}

unsigned InstructionSource::any_x() {
    for (;;) {
        const auto x = static_cast<unsigned>(below(kOuter));
        if (is_usable(x)) {
            return x;
        }
    }
}

void InstructionSource::emit(Word word) {
    for (unsigned n = 0; n < 4; ++n) {
        code.push_back(static_cast<std::uint8_t>(word >> 8 * n));
    }
    ++instructions;
}

void InstructionSource::emit_half(std::uint16_t half) {
    code.push_back(static_cast<std::uint8_t>(half));
    code.push_back(static_cast<std::uint8_t>(half >> 8));
    ++instructions;
}

void InstructionSource::emit(const rv::Code& words) {
    for (const Word word : words.words()) {
        emit(word);
    }
}

void InstructionSource::patch(std::size_t at, Word word) {
    std::memcpy(&code[at], &word, sizeof word);
}

void InstructionSource::load_address(unsigned rd, std::uint64_t value) {
    const auto low = static_cast<std::int64_t>(value << 52) >> 52;
    emit(rv::lui(rd, (static_cast<std::int64_t>(value) - low) >> 12));
    emit(rv::addi(rd, rd, low));
}

/// Bits that the match leaves open, filled for one instruction of straight-line code.
void InstructionSource::computation(const InstructionInfo& info) {
    const Word open = ~info.mask;
    const auto place = [&](Word value, unsigned low, Word field) {
        return (value << low) & open & (field << low);
    };
    constexpr std::array<Word, 8> kModes = {0, 1, 2, 3, 4, 7, 7, 7};
    const unsigned rd = writes_x(info.op) ? any_x() : any_f();
    const unsigned rs1 = reads_f(info.op) ? any_f() : any_x();
    switch (info.format) {
    case Format::r:
        emit(info.match | any_x() << 7 | any_x() << 15 | any_x() << 20);
        break;
    case Format::unary:
        emit(info.match | any_x() << 7 | any_x() << 15);
        break;
    case Format::i:
    case Format::shift5:
    case Format::shift6:
        emit(
            info.match | any_x() << 7 | any_x() << 15
            | (static_cast<Word>(random_()) & open & 0xfff00000)
        );
        break;
    case Format::u:
        emit(info.match | any_x() << 7 | (static_cast<Word>(random_()) & 0xfffff000));
        break;
    case Format::fp_rm:
        emit(info.match | rd << 7 | rs1 << 15 | place(any_f(), 20, 31) | any_of(kModes) << 12);
        break;
    case Format::fp_r:
        emit(info.match | rd << 7 | rs1 << 15 | place(any_f(), 20, 31));
        break;
    case Format::fp_r4:
        emit(
            info.match | any_f() << 7 | any_f() << 15 | any_f() << 20 | any_f() << 27
            | any_of(kModes) << 12
        );
        break;
    default:
        break;
    }
}

void InstructionSource::memory(const InstructionInfo& info) {
    const bool is_float = info.format == Format::fp_load || info.format == Format::fp_store;
    const bool is_store = info.format == Format::s || info.format == Format::fp_store;
    // Aligned mostly; misaligned ones have to work too.
    std::int64_t offset = static_cast<std::int64_t>(below(4096)) - 2048;
    offset = chance(80) ? offset & ~std::int64_t{7} : offset;
    unsigned base = kBase;
    if (chance(30)) {  // an address that was computed
        emit(rv::i(0x13, 7, kAddress, any_x(), 0x3f8));
        emit(rv::add(kAddress, kAddress, kBase));
        base = kAddress;
        offset = offset / 2;
    }
    const unsigned value = is_float ? any_f() : any_x();
    emit(
        is_store ? info.match | rv::s(0, 0, base, value, offset)
                 : info.match | rv::i(0, 0, value, base, offset)
    );
}

void InstructionSource::atomic(const InstructionInfo& info) {
    emit(rv::addi(kAddress, kBase, static_cast<std::int64_t>(below(128)) * 8));
    const Word width = info.match & 0x7000;
    const Word ordering = static_cast<Word>(below(4)) << 25;
    if (info.op == Op::sc_w || info.op == Op::sc_d) {
        // After its lr it succeeds (no other thread is there), and a second one fails. One
        // after an lr of another width may do either, so it is left out.
        emit(0x1000002f | width | any_x() << 7 | kAddress << 15);
        if (chance(30)) {
            emit(info.match | any_x() << 7 | kAddress << 15 | any_x() << 20);
        }
    }
    const unsigned rs2 = info.op == Op::lr_w || info.op == Op::lr_d ? 0 : any_x();
    emit(info.match | ordering | any_x() << 7 | kAddress << 15 | rs2 << 20);
}

/// A compressed instruction that computes in registers we may use.
void InstructionSource::compressed() {
    for (unsigned tries = 0; tries < 200; ++tries) {
        const auto half = static_cast<std::uint16_t>(random_());
        const vmm::riscv::Decoded d = vmm::riscv::decode(vmm::riscv::expand_compressed(half));
        if ((half & 3) == 3 || d.op == Op::illegal) {
            continue;
        }
        const Format format =
            vmm::riscv::instruction_table()[static_cast<std::size_t>(d.op) - 1].format;
        const bool computes = format == Format::r || format == Format::u || format == Format::shift5
                              || format == Format::shift6 || d.op == Op::addi || d.op == Op::addiw
                              || d.op == Op::andi;
        if (computes && is_usable(d.rd)) {
            emit_half(half);
            return;
        }
    }
}

/// A compressed load or store, relative to sp or to a register of x8..x15 made an address.
void InstructionSource::compressed_memory() {
    for (unsigned tries = 0; tries < 2000; ++tries) {
        const auto half = static_cast<std::uint16_t>(random_());
        const vmm::riscv::Decoded d = vmm::riscv::decode(vmm::riscv::expand_compressed(half));
        if ((half & 3) == 3 || d.op == Op::illegal) {
            continue;
        }
        const Format format =
            vmm::riscv::instruction_table()[static_cast<std::size_t>(d.op) - 1].format;
        const bool loads = d.op >= Op::lb && d.op <= Op::lwu;
        if (!loads && format != Format::s && format != Format::fp_load
            && format != Format::fp_store) {
            continue;
        }
        if (loads && !is_usable(d.rd)) {
            continue;
        }
        if (d.rs1 != kStack) {
            emit(rv::addi(d.rs1, kBase, static_cast<std::int64_t>(below(128)) * 8));
        }
        emit_half(half);
        return;
    }
}

void InstructionSource::csr() {
    switch (below(6)) {
    case 0:
        emit(rv::csrr(any_x(), 1));
        break;
    case 1:
        emit(rv::csrrwi(any_x(), 2, static_cast<unsigned>(below(5))));
        break;
    case 2:
        emit(rv::csrrci(any_x(), 1, static_cast<unsigned>(below(32))));
        break;
    case 3:
        emit(rv::csrrs(any_x(), 1, any_x()));
        break;
    case 4:
        emit(rv::csrrw(any_x(), 1, 0));
        break;
    default:
        emit(rv::csrr(any_x(), 3));
        break;
    }
}

void InstructionSource::one() {
    const unsigned kind = static_cast<unsigned>(below(100));
    if (kind < 10) {
        compressed();
        return;
    }
    if (kind < 14) {
        compressed_memory();
        return;
    }
    if (kind < 20) {
        csr();
        return;
    }
    if (kind == 20) {
        emit(chance(50) ? rv::kFence : rv::kFenceI);
        return;
    }
    const InstructionInfo& info = usable_[below(usable_.size())];
    if (info.format == Format::amo) {
        atomic(info);
    } else if (info.format == Format::s || info.format == Format::fp_load
               || info.format == Format::fp_store || (info.op >= Op::lb && info.op <= Op::lwu)) {
        memory(info);
    } else {
        computation(info);
    }
}

void InstructionSource::straight(unsigned count) {
    for (unsigned n = 0; n < count; ++n) {
        one();
    }
}

template <class Jump>
void InstructionSource::skip(const Jump& jump) {
    const std::size_t at = code.size();
    emit(rv::nop());
    straight(1 + static_cast<unsigned>(below(4)));
    patch(at, jump(static_cast<std::int64_t>(code.size() - at)));
}

void InstructionSource::compressed_branch() {
    // c.beqz, c.bnez or c.j over one to four halves of other compressed instructions.
    const std::size_t at = code.size();
    emit_half(1);  // c.nop
    const unsigned count = 1 + static_cast<unsigned>(below(4));
    for (unsigned n = 0; n < count; ++n) {
        compressed();
    }
    const auto offset = static_cast<unsigned>(code.size() - at);  // below 32: imm[4:3|2:1] only
    const unsigned middle = (offset >> 3 & 3) << 10 | (offset >> 1 & 3) << 3;
    std::uint16_t half = 0;
    if (chance(30)) {
        const unsigned jump = (offset >> 4 & 1) << 11 | (offset >> 1 & 7) << 3;
        half = static_cast<std::uint16_t>(0xa001 | jump);
    } else {
        const unsigned base = chance(50) ? 0xc001U : 0xe001U;
        half = static_cast<std::uint16_t>(base | middle | static_cast<unsigned>(below(8)) << 7);
    }
    std::memcpy(&code[at], &half, sizeof half);
}

/// Jumps by a register to one of four cases.
void InstructionSource::table_jump() {
    emit(rv::i(0x13, 7, kAddress, any_x(), 3));
    emit(rv::slli(kAddress, kAddress, 2));
    emit(rv::auipc(kScratch, 0));
    emit(rv::add(kAddress, kAddress, kScratch));
    emit(rv::jalr(0, kAddress, 12));
    const std::size_t table = code.size();
    for (unsigned n = 0; n < 4; ++n) {
        emit(rv::nop());
    }
    std::array<std::size_t, 4> ends{};
    for (unsigned n = 0; n < 4; ++n) {
        const std::size_t at = table + std::size_t{n} * 4;
        patch(at, rv::jal(0, static_cast<std::int64_t>(code.size() - at)));
        straight(1 + static_cast<unsigned>(below(3)));
        ends[n] = code.size();
        emit(rv::nop());
    }
    for (const std::size_t end : ends) {
        patch(end, rv::jal(0, static_cast<std::int64_t>(code.size() - end)));
    }
}

void InstructionSource::short_loop() {
    emit(rv::li(kCounter, 1 + static_cast<std::int64_t>(below(6))));
    const std::size_t start = code.size();
    straight(1 + static_cast<unsigned>(below(6)));
    emit(rv::addi(kCounter, kCounter, -1));
    const auto back = static_cast<std::int64_t>(start) - static_cast<std::int64_t>(code.size());
    emit(rv::bne(kCounter, 0, back));
}

void InstructionSource::control() {
    switch (below(6)) {
    case 0: {
        constexpr std::array<Word, 6> conditions = {0, 1, 4, 5, 6, 7};
        const Word condition = any_of(conditions);
        const unsigned a = any_x(), c = any_x();
        skip([&](std::int64_t offset) { return rv::b(condition, a, c, offset); });
        break;
    }
    case 1: {
        const unsigned link = any_x();
        skip([&](std::int64_t offset) { return rv::jal(link, offset); });
        break;
    }
    case 2: {
        const unsigned link = any_x();
        emit(rv::auipc(kAddress, 0));
        skip([&](std::int64_t offset) { return rv::jalr(link, kAddress, offset + 4); });
        break;
    }
    case 3:
        compressed_branch();
        break;
    case 4:
        table_jump();
        break;
    default:
        short_loop();
        break;
    }
}

}  // namespace differential
