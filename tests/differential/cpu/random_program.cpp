// SPDX-License-Identifier: Apache-2.0
#include "random_program.hpp"

#include "riscv_assembler.hpp"

#include <elf.h>

#include <array>
#include <cstring>
#include <vector>

namespace differential {
namespace {

using rv::Word;

/// Frames keep the link registers and the loop counter above what sp-relative stores reach.
constexpr std::int64_t kFrame = 544;
constexpr unsigned kFunctions = 8;
/// Functions from here on can be called through the table: link register ra, plain return.
constexpr unsigned kFirstTabled = 4;
constexpr unsigned kPoolDoubles = 64;

/// How a function ends, and how it has to be called.
enum class Return : std::uint8_t {
    plain,
    past_next,  ///< To the second instruction after the call: no predictor expects that.
    tail,       ///< By a jump to the first function.
};

struct Function {
    std::uint64_t address = 0;
    unsigned link = rv::ra;
    Return kind = Return::plain;
};

class Generator {
public:
    explicit Generator(std::uint64_t seed, Subset subset)
        : source_(seed, subset) {}

    Program make(const Shape& shape) {
        program_.sequences = shape.sequences;
        for (std::uint64_t n = 0; n < kDataBytes; ++n) {
            program_.data.push_back(static_cast<std::uint8_t>(source_.random()));
        }
        make_tables();
        source_.emit(rv::nop());
        make_functions();
        source_.patch(0, rv::jal(0, static_cast<std::int64_t>(source_.size())));
        for (unsigned n = 0; n < shape.sequences; ++n) {
            program_.starts.push_back(source_.size());
            load_registers();
            if (source_.chance(shape.hot_percent)) {
                hot_sequence(shape);
            } else {
                sequence(shape.length);
            }
            store_registers(n);
        }
        finish();
        program_.code = std::move(source_.code);
        program_.instructions = source_.instructions;
        return std::move(program_);
    }

private:
    /// First in the table: addresses of functions (filled in later), then a pool of numbers.
    void make_tables() {
        program_.table.resize(4);
        for (unsigned n = 0; n < kPoolDoubles; ++n) {
            program_.table.push_back(source_.number());
        }
    }

    void load_registers() {
        source_.load_address(kBase, kTableBase + program_.table.size() * 8);
        for (unsigned n = 0; n < 32; ++n) {
            program_.table.push_back(source_.number());
            source_.emit(rv::i(0x07, 3, n, kBase, n * 8));
        }
        for (unsigned n = 1; n < kOuter; ++n) {
            program_.table.push_back(source_.integer());
            source_.emit(rv::ld(n, kBase, (31 + n) * 8));
        }
        source_.load_address(kStack, kStackTop - 512 - source_.below(64) * 8);
        source_.emit(rv::csrrwi(0, 3, 0));
        source_.emit(rv::csrrwi(0, 2, static_cast<unsigned>(source_.below(5))));
        source_.load_address(
            kBase, kDataBase + 2048 + source_.below((kDataBytes - 4096 - 2048) / 64) * 64
        );
        source_.emit(rv::mv(kAddress, kBase));
    }

    void store_registers(unsigned sequence) {
        source_.load_address(kBase, kResultBase + sequence * sizeof(Registers));
        for (unsigned n = 1; n <= 30; ++n) {
            // The others differ by construction or tell nothing; keep them out of the comparison.
            source_.emit(rv::sd(is_usable(n) ? n : 0, kBase, (n - 1) * 8));
        }
        for (unsigned n = 0; n < 32; ++n) {
            source_.emit(rv::s(0x27, 3, kBase, n, (30 + n) * 8));
        }
        source_.emit(rv::csrr(1, 3));
        source_.emit(rv::sd(1, kBase, 62 * 8));
    }

    void make_functions() {
        for (unsigned n = 0; n < kFunctions; ++n) {
            Function function;
            if (n != 0 && n < kFirstTabled) {
                function.link = source_.chance(50) ? rv::ra : rv::t0;
                constexpr std::array<Return, 4> kKinds = {
                    Return::plain, Return::past_next, Return::past_next, Return::tail
                };
                function.kind = source_.any_of(kKinds);
                if (function.kind == Return::tail) {
                    function.link = rv::ra;
                }
            }
            function.address = kCodeBase + source_.size();
            body(n, function);
            functions_.push_back(function);
            if (n >= kFirstTabled) {
                program_.table[n - kFirstTabled] = function.address;
            }
        }
        make_recursive();
    }

    void enter() {
        source_.emit(rv::addi(kStack, kStack, -kFrame));
        source_.emit(rv::sd(rv::ra, kStack, kFrame - 8));
        source_.emit(rv::sd(rv::t0, kStack, kFrame - 16));
        source_.emit(rv::sd(kCounter, kStack, kFrame - 24));
    }
    void leave() {
        source_.emit(rv::ld(rv::ra, kStack, kFrame - 8));
        source_.emit(rv::ld(rv::t0, kStack, kFrame - 16));
        source_.emit(rv::ld(kCounter, kStack, kFrame - 24));
        source_.emit(rv::addi(kStack, kStack, kFrame));
    }

    void body(unsigned index, const Function& function) {
        enter();
        source_.straight(2 + static_cast<unsigned>(source_.below(8)));
        if (source_.chance(60)) {
            source_.control();
        }
        // Calls go to earlier functions only, and few, so that the whole stays short.
        if (index != 0 && source_.chance(50)) {
            call(functions_[source_.below(index)]);
        }
        source_.straight(static_cast<unsigned>(source_.below(4)));
        leave();
        switch (function.kind) {
        case Return::plain:
            if (source_.chance(50)) {
                source_.emit_half(static_cast<std::uint16_t>(0x8002 | function.link << 7));
            } else {
                source_.emit(rv::jalr(0, function.link, 0));
            }
            break;
        case Return::past_next:
            source_.emit(rv::jalr(0, function.link, 4));
            break;
        case Return::tail:
            jump_to(0, functions_.front().address);
            break;
        }
    }

    /// Calls itself kCounter times; deeper than a return predictor is.
    void make_recursive() {
        recursive_ = kCodeBase + source_.size();
        source_.emit(rv::bne(kCounter, 0, 8));
        source_.emit(rv::jalr(0, rv::ra, 0));
        enter();
        source_.emit(rv::addi(kCounter, kCounter, -1));
        source_.straight(2);
        jump_to(rv::ra, recursive_);
        source_.straight(2);
        leave();
        source_.emit(rv::jalr(0, rv::ra, 0));
    }

    void jump_to(unsigned link, std::uint64_t address) {
        source_.emit(rv::jal(link, static_cast<std::int64_t>(address - kCodeBase - source_.size()))
        );
    }

    void call(const Function& function) {
        if (source_.chance(40)) {
            source_.load_address(kAddress, function.address);
            source_.emit(rv::jalr(function.link, kAddress, 0));
        } else {
            jump_to(function.link, function.address);
        }
        if (function.kind == Return::past_next) {
            source_.emit(rv::addi(source_.any_x(), source_.any_x(), 1));
        }
    }

    void call_by_table() {
        source_.load_address(kScratch, kTableBase);
        source_.emit(rv::i(0x13, 7, kAddress, source_.any_x(), 0x18));
        source_.emit(rv::add(kAddress, kAddress, kScratch));
        source_.emit(rv::ld(kAddress, kAddress, 0));
        source_.emit(rv::jalr(rv::ra, kAddress, 0));
    }

    void any_call(bool hot) {
        const unsigned kind = static_cast<unsigned>(source_.below(10));
        if (kind < 6) {
            call(functions_[source_.below(functions_.size())]);
        } else if (kind < 9) {
            call_by_table();
        } else {
            const std::uint64_t depth = 1 + source_.below(hot ? 3 : 40);
            source_.emit(rv::li(kCounter, static_cast<std::int64_t>(depth)));
            jump_to(rv::ra, recursive_);
        }
    }

    /// A register gets one of the special or random numbers.
    void load_number() {
        source_.load_address(kScratch, kTableBase + (4 + source_.below(kPoolDoubles)) * 8);
        source_.emit(rv::i(0x07, 3, source_.any_f(), kScratch, 0));
    }

    void sequence(unsigned length, bool hot = false) {
        const std::size_t end = source_.instructions + length;
        while (source_.instructions < end) {
            const unsigned kind = static_cast<unsigned>(source_.below(100));
            if (kind < 12) {
                source_.control();
            } else if (kind < 18) {
                any_call(hot);
            } else if (kind < 25) {
                load_number();
            } else {
                source_.one();
            }
        }
    }

    /// Thousands of rounds of a short sequence, whose operands change with the round.
    void hot_sequence(const Shape& shape) {
        const std::uint64_t rounds = 1 + source_.below(shape.hot_rounds);
        source_.load_address(kOuter, rounds);
        const std::size_t start = source_.size();
        for (unsigned n = 0; n < 2; ++n) {
            const unsigned x = source_.any_x();
            source_.emit(rv::add(x, x, kOuter));
        }
        source_.emit(rv::slli(kScratch, kOuter, static_cast<unsigned>(source_.below(60))));
        const unsigned x = source_.any_x();
        source_.emit(rv::r(0x33, 4, 0, x, x, kScratch));
        source_.emit(rv::r(0x53, 7, 0x69, source_.any_f(), x, 2));  // fcvt.d.l
        sequence(6 + static_cast<unsigned>(source_.below(24)), true);
        source_.emit(rv::addi(kOuter, kOuter, -1));
        source_.emit(rv::beq(kOuter, 0, 8));
        source_.emit(
            rv::jal(0, static_cast<std::int64_t>(start) - static_cast<std::int64_t>(source_.size()))
        );
    }

    /// write(1, data and results) until all is written, exit(0).
    void finish() {
        source_.load_address(rv::a1, kDataBase);
        source_.load_address(rv::a2, program_.output_bytes());
        source_.emit({rv::li(rv::a0, 1), rv::li(rv::a7, 64), rv::kEcall});
        source_.emit({rv::add(rv::a1, rv::a1, rv::a0), rv::sub(rv::a2, rv::a2, rv::a0)});
        source_.emit(rv::bne(rv::a2, 0, -20));
        source_.emit({rv::li(rv::a0, 0), rv::li(rv::a7, 93), rv::kEcall});
    }

    InstructionSource source_;
    Program program_;
    std::vector<Function> functions_;
    std::uint64_t recursive_ = 0;
};

}  // namespace

Program make_program(std::uint64_t seed, const Shape& shape, Subset subset) {
    return Generator(seed, subset).make(shape);
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
