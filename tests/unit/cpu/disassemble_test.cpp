// SPDX-License-Identifier: Apache-2.0
// Tables, decoder and disassembler against llvm-objdump: every line of instructions.inc with random
// operands, and every compressed encoding.
#include "cpu/riscv/decode.hpp"
#include "cpu/riscv/disassemble.hpp"
#include "cpu/riscv/encoding.hpp"
#include "process.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

using vmm::riscv::decode;
using vmm::riscv::Decoded;
using vmm::riscv::disassemble;
using vmm::riscv::expand_compressed;
using vmm::riscv::Format;
using vmm::riscv::instruction_table;
using vmm::riscv::InstructionInfo;
using vmm::riscv::Op;

namespace {

constexpr unsigned kWordsPerLine = 64;
/// 32 bits that are no instruction (custom-0).
constexpr std::uint32_t kNothing = 0x0000000b;
constexpr const char* kObjdump = "llvm-objdump-19";

/// The text at each address, or nothing when the tools aren't there.
std::optional<std::map<std::uint64_t, std::string>>
objdump(const std::vector<std::uint32_t>& words, bool aliases) {
    const test_support::TemporaryDirectory directory;
    test_support::write_file(
        directory / "words",
        {reinterpret_cast<const char*>(words.data()), words.size() * sizeof words[0]}
    );
    const auto copied = test_support::run_process(
        {"llvm-objcopy-19",
         "-Ibinary",
         "-Oelf64-littleriscv",
         directory / "words",
         directory / "words.o"}
    );
    if (copied.exit_code != 0) {
        return std::nullopt;
    }
    std::vector<std::string> command{
        kObjdump,
        "-Dz",
        "-j.data",
        "--no-show-raw-insn",
        "--mattr=+m,+a,+f,+d,+c,+zba,+zbb,+zbs,+zicond,+svinval",
        directory / "words.o",
    };
    if (!aliases) {
        command.insert(command.end() - 1, "-Mno-aliases");
    }
    const auto dumped = test_support::run_process(command);
    if (dumped.exit_code != 0) {
        return std::nullopt;
    }
    std::map<std::uint64_t, std::string> texts;
    std::istringstream lines(dumped.out);
    for (std::string line; std::getline(lines, line);) {
        char* end = nullptr;
        const std::uint64_t address = std::strtoull(line.c_str(), &end, 16);
        if (end != line.c_str() && *end == ':') {
            texts[address] = end + 1;
        }
    }
    return texts;
}

/// One blank after the mnemonic and each comma, numbers in decimal, no symbol behind an address.
std::string normalised(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto c = static_cast<unsigned char>(text[at]);
        const bool begins_word =
            at == 0 || std::string_view(" \t,(-").find(text[at - 1]) != std::string_view::npos;
        if (c == '<' && text.compare(at, 9, "<unknown>") != 0) {
            break;
        }
        if (begins_word && std::isdigit(c) != 0) {
            char* end = nullptr;
            out += std::to_string(std::strtoull(&text[at], &end, 0));
            at = static_cast<std::size_t>(end - text.data());
        } else if (std::isspace(c) != 0) {
            if (!out.empty() && out.back() != ' ') {
                out += ' ';
            }
            ++at;
        } else {
            out += text[at++];
        }
    }
    while (!out.empty() && out.back() == ' ') {
        out.pop_back();
    }
    return out;
}

/// A CSR of our table that objdump knows too: not of the N extension.
std::uint32_t random_csr(std::mt19937& random) {
    static constexpr std::uint32_t kNumbers[] = {0x001, 0x002, 0x003, 0xc00, 0xc01, 0xc02, 0x100,
                                                 0x104, 0x105, 0x106, 0x10a, 0x140, 0x141, 0x142,
                                                 0x143, 0x144, 0x14d, 0x180, 0x801, 0x5ff};
    return kNumbers[random() % std::size(kNumbers)];
}

/// The instruction with random operands; nothing reserved in them.
std::uint32_t random_word(const InstructionInfo& info, std::mt19937& random) {
    std::uint32_t word = (static_cast<std::uint32_t>(random()) & ~info.mask) | info.match;
    switch (info.format) {
    case Format::csr:
        return (word & 0xfffff) | random_csr(random) << 20;
    case Format::fp_rm:
    case Format::fp_r4: {
        const std::uint32_t mode = random() % 6;
        return (word & ~0x7000U) | (mode == 5 ? 7 : mode) << 12;
    }
    case Format::none:
        return info.match;
    case Format::i:
        if (info.op == Op::fence) {  // fm, rd and rs1 are 0
            return info.match | (word & 0x0ff00000);
        }
        return word;
    default:
        return word;
    }
}

}  // namespace

TEST(Disassemble, agrees_with_objdump_on_every_line_of_the_table) {
    std::mt19937 random(3);
    std::vector<std::uint32_t> words;
    for (const InstructionInfo& info : instruction_table()) {
        for (unsigned n = 0; n < kWordsPerLine && info.op != Op::uret; ++n) {
            words.push_back(random_word(info, random));
        }
    }
    const auto theirs = objdump(words, false);
    if (!theirs) {
        GTEST_SKIP() << "SKIPPED: llvm-objcopy-19 or " << kObjdump << " (llvm-19) is not there";
    }
    for (std::size_t n = 0; n < words.size(); ++n) {
        const std::uint64_t pc = n * 4;
        const auto found = theirs->find(pc);
        ASSERT_NE(found, theirs->end()) << std::hex << words[n];
        std::string expected = normalised(found->second);
        const Decoded decoded = decode(words[n]);
        const InstructionInfo& info = instruction_table()[static_cast<std::size_t>(decoded.op) - 1];
        // objdump leaves the mode of conversions that are always exact away when it is rne.
        if (info.format == Format::fp_rm && decoded.rm == 0 && !expected.ends_with("rne")) {
            expected += ", rne";
        }
        EXPECT_EQ(normalised(disassemble(words[n], 4, pc)), expected) << std::hex << words[n];
    }
}

TEST(Disassemble, compressed_instructions_stand_for_what_objdump_says) {
    // Each half-word, followed by c.nop, beside the 32-bit instruction that we make of it.
    std::vector<std::uint32_t> halves;
    std::vector<std::uint32_t> expansions;
    for (std::uint32_t half = 0; half < 0x10000; ++half) {
        if ((half & 3) != 3) {
            halves.push_back(half | 0x0001U << 16);
            const std::uint32_t word = expand_compressed(static_cast<std::uint16_t>(half));
            expansions.push_back(word == 0 ? kNothing : word);
        }
    }
    const auto compressed = objdump(halves, true);
    const auto expanded = objdump(expansions, true);
    if (!compressed || !expanded) {
        GTEST_SKIP() << "SKIPPED: llvm-objcopy-19 or " << kObjdump << " (llvm-19) is not there";
    }
    unsigned hints = 0;
    for (std::size_t n = 0; n < halves.size(); ++n) {
        const std::uint64_t pc = n * 4;
        ASSERT_TRUE(compressed->contains(pc) && expanded->contains(pc)) << std::hex << halves[n];
        const std::string theirs = normalised(compressed->at(pc));
        std::string ours = normalised(expanded->at(pc));
        if (const auto zero = ours.find(", zero, ");
            zero != std::string::npos && ours.starts_with("add ")) {
            // The specification makes an add of c.mv; objdump names the one made by addi only.
            ours = "mv" + ours.substr(3, zero - 3) + ours.substr(zero + 6);
        }
        if ((halves[n] & 0xf07f) == 0x6001) {
            // c.lui of 0 is reserved; objdump shows it all the same.
            EXPECT_EQ(ours, "<unknown>") << std::hex << halves[n];
        } else if (theirs.starts_with("c."
                   )) {  // a hint, which has no other name: it must do nothing
            const Decoded d = decode(expansions[n]);
            const bool zero_shift = (d.op == Op::slli || d.op == Op::srli || d.op == Op::srai)
                                    && d.rd == d.rs1 && d.imm == 0;
            const bool zero_add = d.op == Op::addi && d.rd == d.rs1 && d.imm == 0;
            EXPECT_TRUE(d.rd == 0 || zero_shift || zero_add) << theirs << " as " << ours;
            EXPECT_NE(d.op, Op::illegal) << theirs;
            ++hints;
        } else {
            EXPECT_EQ(ours, theirs == "unimp" ? "<unknown>" : theirs) << std::hex << halves[n];
        }
    }
    EXPECT_LT(hints, 4096U) << "that is more than there are";
}

TEST(Disassemble, names_what_objdump_does_not_know) {
    EXPECT_EQ(disassemble(0x00200073, 4, 0), "uret");
    EXPECT_EQ(disassemble(0x04021573, 4, 0), "csrrw a0, uscratch, tp");
    EXPECT_EQ(disassemble(0x8011d073, 4, 0), "csrrwi zero, 0x801, 3");
    EXPECT_EQ(disassemble(0x8330000f, 4, 0), "fence.tso");
    EXPECT_EQ(disassemble(0x0010000f, 4, 0), "fence 0, w");
    EXPECT_EQ(disassemble(0x00005053 | 5 << 12, 4, 0), "fadd.s ft0, ft0, ft0, rm5");
}

TEST(Disassemble, branch_targets_are_absolute) {
    EXPECT_EQ(disassemble(0xfe000ee3, 4, 0x80000004), "beq zero, zero, 0x80000000");
    EXPECT_EQ(disassemble(0x0000a001, 2, 0xffffffff80000000), "jal zero, 0xffffffff80000000");
    EXPECT_EQ(disassemble(0xffdff0ef, 4, 0), "jal ra, 0xfffffffffffffffc");
}

TEST(Disassemble, what_is_no_instruction_is_shown_as_data) {
    EXPECT_EQ(disassemble(0xffffffff, 4, 0), ".4byte 0xffffffff");
    EXPECT_EQ(disassemble(0x12340000, 2, 0), ".2byte 0x0000");
    EXPECT_EQ(disassemble(0x30200073, 4, 0), ".4byte 0x30200073");
}

TEST(Disassemble, any_bits_have_a_text) {
    std::mt19937_64 random(5);
    for (int n = 0; n < 200000; ++n) {
        const std::uint64_t bits = random();
        const auto word = static_cast<std::uint32_t>(bits);
        const unsigned length = vmm::riscv::instruction_length(static_cast<std::uint16_t>(word));
        const std::string text = disassemble(word, length, bits);
        const bool is_data = text.starts_with('.');
        const auto half = static_cast<std::uint16_t>(word);
        const Op op = decode(length == 2 ? expand_compressed(half) : word).op;
        ASSERT_EQ(is_data, op == Op::illegal) << std::hex << word;
        ASSERT_GE(text.size(), 3U) << std::hex << word;  // "mul" and the like with operands, "wfi"
    }
}

TEST(Disassemble, every_csr_has_its_number_once) {
    std::map<unsigned, std::string_view> names;
#define X(name, number) EXPECT_TRUE(names.emplace(number, #name).second) << #name;
#include "cpu/riscv/csrs.inc"
#undef X
    for (const auto& [number, name] : names) {
        EXPECT_EQ(vmm::riscv::csr_name(number), name);
    }
    EXPECT_EQ(vmm::riscv::csr_name(0x300), "");
}

TEST(RegisterOperands, say_which_register_file_an_operand_is_in) {
    using enum vmm::riscv::RegisterKind;
    const auto of = [](Op op) {
        const auto have = vmm::riscv::register_operands(op);
        return std::array{have.rd, have.rs1, have.rs2, have.rs3};
    };
    EXPECT_EQ(of(Op::add), (std::array{x, x, x, none}));
    EXPECT_EQ(of(Op::clz), (std::array{x, x, none, none}));
    EXPECT_EQ(of(Op::sfence_vma), (std::array{none, x, x, none}));
    EXPECT_EQ(of(Op::lr_d), (std::array{x, x, none, none}));
    EXPECT_EQ(of(Op::sc_d), (std::array{x, x, x, none}));
    EXPECT_EQ(of(Op::csrrsi), (std::array{x, none, none, none}));
    EXPECT_EQ(of(Op::fsd), (std::array{none, x, f, none}));
    EXPECT_EQ(of(Op::feq_d), (std::array{x, f, f, none}));
    EXPECT_EQ(of(Op::fsqrt_d), (std::array{f, f, none, none}));
    EXPECT_EQ(of(Op::fcvt_d_lu), (std::array{f, x, none, none}));
    EXPECT_EQ(of(Op::fmadd_s), (std::array{f, f, f, f}));
    EXPECT_EQ(of(Op::fence), (std::array{none, none, none, none}));
    EXPECT_EQ(of(Op::illegal), (std::array{none, none, none, none}));
}
