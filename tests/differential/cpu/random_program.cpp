// SPDX-License-Identifier: Apache-2.0
#include "random_program.hpp"

#include "cpu/riscv/decode.hpp"
#include "riscv_assembler.hpp"

#include <elf.h>

#include <cstring>
#include <random>
#include <span>

namespace differential {
namespace {

using rv::Word;
using vmm::riscv::Format;
using vmm::riscv::InstructionInfo;
using vmm::riscv::Op;

// Registers that random instructions leave alone: loop counter, address, data base.
constexpr unsigned kCounter = 29, kAddress = 30, kBase = 31;
constexpr unsigned kUsable = 29;  // x0..x28

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

class Generator {
public:
    explicit Generator(std::uint64_t seed)
        : random_(seed) {}

    Program make(unsigned sequences, unsigned length) {
        program_.sequences = sequences;
        for (std::uint64_t n = 0; n < kDataBytes; ++n) {
            program_.data.push_back(static_cast<std::uint8_t>(random_()));
        }
        for (unsigned n = 0; n < sequences; ++n) {
            program_.starts.push_back(program_.code.size());
            load_registers();
            sequence(length);
            store_registers(n);
        }
        finish();
        return std::move(program_);
    }

private:
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    bool chance(unsigned percent) { return below(100) < percent; }
    template <class T>
    typename T::value_type any_of(const T& list) {
        return list[below(list.size())];
    }

    void emit(Word word) {
        for (unsigned n = 0; n < 4; ++n) {
            program_.code.push_back(static_cast<std::uint8_t>(word >> 8 * n));
        }
        ++program_.instructions;
    }
    void emit_half(std::uint16_t half) {
        program_.code.push_back(static_cast<std::uint8_t>(half));
        program_.code.push_back(static_cast<std::uint8_t>(half >> 8));
        ++program_.instructions;
    }
    void emit(const rv::Code& code) {
        for (const Word word : code.words()) {
            emit(word);
        }
    }
    /// A constant below 2^31.
    void load_address(unsigned rd, std::uint64_t value) {
        const auto low = static_cast<std::int64_t>(value << 52) >> 52;
        emit(rv::lui(rd, (static_cast<std::int64_t>(value) - low) >> 12));
        emit(rv::addi(rd, rd, low));
    }

    std::uint64_t integer() {
        return chance(40) ? any_of(kSpecialIntegers) : random_() >> below(64);
    }
    std::uint64_t number() {
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

    void load_registers() {
        const std::uint64_t at = kTableBase + program_.table.size() * 8;
        load_address(kBase, at);
        for (unsigned n = 0; n < 32; ++n) {
            program_.table.push_back(number());
            emit(rv::i(0x07, 3, n, kBase, n * 8));
        }
        for (unsigned n = 1; n < kUsable; ++n) {
            program_.table.push_back(integer());
            emit(rv::ld(n, kBase, (31 + n) * 8));
        }
        emit(rv::csrrwi(0, 3, 0));
        emit(rv::csrrwi(0, 2, static_cast<unsigned>(below(5))));
        load_address(kBase, kDataBase + 2048 + below((kDataBytes - 4096) / 64) * 64);
        emit(rv::mv(kAddress, kBase));
    }

    void store_registers(unsigned sequence) {
        load_address(kBase, kResultBase + sequence * sizeof(Registers));
        for (unsigned n = 1; n <= 30; ++n) {
            // The address registers differ by construction; keep them out of the comparison.
            emit(rv::sd(n < kCounter ? n : 0, kBase, (n - 1) * 8));
        }
        for (unsigned n = 0; n < 32; ++n) {
            emit(rv::s(0x27, 3, kBase, n, (30 + n) * 8));
        }
        emit(rv::csrr(1, 3));
        emit(rv::sd(1, kBase, 62 * 8));
    }

    unsigned any_x() { return static_cast<unsigned>(below(kUsable)); }
    unsigned any_f() { return static_cast<unsigned>(below(32)); }
    Word rounding() {
        constexpr std::array<Word, 8> modes = {0, 1, 2, 3, 4, 7, 7, 7};
        return any_of(modes);
    }

    const InstructionInfo& any_instruction() {
        const std::span<const InstructionInfo> table = vmm::riscv::instruction_table();
        return table[below(table.size())];
    }

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

    /// Bits that the match leaves open, filled for one instruction of straight-line code.
    void simple(const InstructionInfo& info) {
        const Word open = ~info.mask;
        const auto place = [&](Word value, unsigned low, Word field) {
            return (value << low) & open & (field << low);
        };
        const unsigned rd = writes_x(info.op) ? any_x() : any_f();
        const unsigned rs1 = reads_f(info.op) ? any_f() : any_x();
        switch (info.format) {
        case Format::r:
            emit(info.match | any_x() << 7 | any_x() << 15 | any_x() << 20);
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
            emit(info.match | rd << 7 | rs1 << 15 | place(any_f(), 20, 31) | rounding() << 12);
            break;
        case Format::fp_r:
            emit(info.match | rd << 7 | rs1 << 15 | place(any_f(), 20, 31));
            break;
        case Format::fp_r4:
            emit(
                info.match | any_f() << 7 | any_f() << 15 | any_f() << 20 | any_f() << 27
                | rounding() << 12
            );
            break;
        default:
            break;
        }
    }

    void memory(const InstructionInfo& info) {
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

    void atomic(const InstructionInfo& info) {
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
    void compressed() {
        for (unsigned tries = 0; tries < 200; ++tries) {
            const auto half = static_cast<std::uint16_t>(random_());
            const vmm::riscv::Decoded d = vmm::riscv::decode(vmm::riscv::expand_compressed(half));
            if ((half & 3) == 3 || d.op == Op::illegal) {
                continue;
            }
            const Format format =
                vmm::riscv::instruction_table()[static_cast<std::size_t>(d.op) - 1].format;
            const bool computes = format == Format::r || format == Format::u
                                  || format == Format::shift5 || format == Format::shift6
                                  || d.op == Op::addi || d.op == Op::addiw || d.op == Op::andi;
            if (computes && d.rd < kUsable) {
                emit_half(half);
                return;
            }
        }
    }

    void csr() {
        switch (below(5)) {
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
        default:
            emit(rv::csrr(any_x(), 3));
            break;
        }
    }

    void one() {
        const unsigned kind = static_cast<unsigned>(below(100));
        if (kind < 12) {
            compressed();
            return;
        }
        if (kind < 15) {
            csr();
            return;
        }
        for (;;) {
            const InstructionInfo& info = any_instruction();
            switch (info.format) {
            case Format::i:
                if (info.op >= Op::lb && info.op <= Op::lwu) {
                    memory(info);
                } else if (info.op == Op::jalr || info.op == Op::fence) {
                    continue;
                } else {
                    simple(info);
                }
                return;
            case Format::s:
            case Format::fp_load:
            case Format::fp_store:
                memory(info);
                return;
            case Format::amo:
                atomic(info);
                return;
            case Format::r:
                if (info.op == Op::sfence_vma) {
                    continue;
                }
                simple(info);
                return;
            case Format::u:
            case Format::shift5:
            case Format::shift6:
            case Format::fp_r:
            case Format::fp_rm:
            case Format::fp_r4:
                simple(info);
                return;
            default:
                continue;
            }
        }
    }

    void straight(unsigned count) {
        for (unsigned n = 0; n < count; ++n) {
            one();
        }
    }

    /// Emits a jump over what `body` emits; `jump(offset)` makes its word.
    template <class Jump>
    void skip(const Jump& jump) {
        const std::size_t at = program_.code.size();
        emit(rv::nop());
        straight(1 + static_cast<unsigned>(below(4)));
        const Word word = jump(static_cast<std::int64_t>(program_.code.size() - at));
        std::memcpy(&program_.code[at], &word, sizeof word);
    }

    void control() {
        switch (below(4)) {
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
        default: {  // a loop of a few rounds
            emit(rv::li(kCounter, 1 + static_cast<std::int64_t>(below(6))));
            const std::size_t start = program_.code.size();
            straight(1 + static_cast<unsigned>(below(6)));
            emit(rv::addi(kCounter, kCounter, -1));
            const auto back =
                static_cast<std::int64_t>(start) - static_cast<std::int64_t>(program_.code.size());
            emit(rv::bne(kCounter, 0, back));
            break;
        }
        }
    }

    void sequence(unsigned length) {
        const std::size_t end = program_.instructions + length;
        while (program_.instructions < end) {
            if (chance(15)) {
                control();
            } else {
                one();
            }
        }
    }

    /// write(1, data and results) until all is written, exit(0).
    void finish() {
        load_address(rv::a1, kDataBase);
        load_address(rv::a2, program_.output_bytes());
        emit({rv::li(rv::a0, 1), rv::li(rv::a7, 64), rv::kEcall});
        emit({rv::add(rv::a1, rv::a1, rv::a0), rv::sub(rv::a2, rv::a2, rv::a0)});
        emit(rv::bne(rv::a2, 0, -20));
        emit({rv::li(rv::a0, 0), rv::li(rv::a7, 93), rv::kEcall});
    }

    std::mt19937_64 random_;
    Program program_;
};

}  // namespace

Program make_program(std::uint64_t seed, unsigned sequences, unsigned length) {
    return Generator(seed).make(sequences, length);
}

std::string make_elf(const Program& program) {
    // One segment of everything, writable and executable: file offset 4096 is kCodeBase.
    constexpr std::size_t kOffset = 4096;
    std::string file(kOffset + kMemoryBytes, '\0');
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = EM_RISCV;
    header.e_version = EV_CURRENT;
    header.e_entry = kCodeBase;
    header.e_phoff = sizeof header;
    header.e_flags = 5;  // RVC, double-float ABI
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_flags = PF_R | PF_W | PF_X;
    segment.p_offset = kOffset;
    segment.p_vaddr = segment.p_paddr = kCodeBase;
    segment.p_filesz = segment.p_memsz = kMemoryBytes;
    segment.p_align = 4096;
    std::memcpy(file.data(), &header, sizeof header);
    std::memcpy(file.data() + sizeof header, &segment, sizeof segment);
    const auto put = [&](std::uint64_t address, const void* from, std::size_t bytes) {
        std::memcpy(file.data() + kOffset + (address - kCodeBase), from, bytes);
    };
    put(kCodeBase, program.code.data(), program.code.size());
    put(kTableBase, program.table.data(), program.table.size() * 8);
    put(kDataBase, program.data.data(), program.data.size());
    return file;
}

}  // namespace differential
