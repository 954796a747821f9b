// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/decode.hpp"
#include "riscv_assembler.hpp"

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace differential {

// Registers that random instructions leave alone: stack, hot-loop counter, scratch, inner-loop
// counter, computed address, base of loads and stores.
inline constexpr unsigned kStack = 2, kOuter = 27, kScratch = 28, kCounter = 29, kAddress = 30,
                          kBase = 31;
constexpr bool is_usable(unsigned x) {
    return x != kStack && x < kOuter;
}

/// Which instructions a program may have.
struct Subset {
    bool unknown_to_qemu = false;  ///< Also those for which QEMU 7.2 is no oracle.
    /// sc may be told that it fails before, or after, a fault of the page is found.
    bool store_conditional = true;
};

/// Code under construction and the random instructions that go into it.
class InstructionSource {
public:
    InstructionSource(std::uint64_t seed, Subset subset);

    std::uint64_t random() { return random_(); }
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    bool chance(unsigned percent) { return below(100) < percent; }
    template <class T>
    typename T::value_type any_of(const T& list) {
        return list[below(list.size())];
    }
    /// Values on which arithmetic is likely to go wrong, and random ones.
    std::uint64_t integer();
    std::uint64_t number();

    /// A register that instructions may read and write.
    unsigned any_x();
    unsigned any_f() { return static_cast<unsigned>(below(32)); }

    std::size_t size() const { return code.size(); }
    void emit(rv::Word word);
    void emit_half(std::uint16_t half);
    void emit(const rv::Code& words);
    void patch(std::size_t at, rv::Word word);
    /// A constant below 2^31.
    void load_address(unsigned rd, std::uint64_t value);

    /// One random operation without control transfer, as one or a few instructions. Loads and
    /// stores are within 2 KiB of kBase (reads up to 4 KiB above it), and above kStack.
    void one();
    void straight(unsigned count);
    /// A random branch, jump, short loop or switch over code like straight()'s.
    void control();

    // The kinds of one().
    void memory(const vmm::riscv::InstructionInfo& info);
    void computation(const vmm::riscv::InstructionInfo& info);
    void atomic(const vmm::riscv::InstructionInfo& info);
    void compressed();
    void compressed_memory();
    void csr();

    std::vector<std::uint8_t> code;
    std::size_t instructions = 0;  ///< As emitted.

private:
    /// Emits a jump over what is emitted between; `jump(offset)` makes its word.
    template <class Jump>
    void skip(const Jump& jump);
    void compressed_branch();
    void table_jump();
    void short_loop();

    std::mt19937_64 random_;
    std::vector<vmm::riscv::InstructionInfo> usable_;
};

/// Whether Debian 12's QEMU executes the instruction as the specification says.
bool known_to_qemu(const vmm::riscv::InstructionInfo& info);

}  // namespace differential
