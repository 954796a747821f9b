// SPDX-License-Identifier: Apache-2.0
#include "random_code.hpp"

#include <array>

namespace dbt_test {
namespace {

using vmm::riscv::Format;
using vmm::riscv::InstructionInfo;
using vmm::riscv::Op;

constexpr std::array<std::uint64_t, 12> kSpecial = {
    0,
    1,
    ~0ULL,
    0x8000'0000'0000'0000,
    0x7fff'ffff'ffff'ffff,
    0x8000'0000,
    0x7fff'ffff,
    0xffff'ffff'8000'0000,
    0xffff'ffff,
    0xffff'ffff'0000'0000,
    63,
    0x1'0000'0000,
};

}  // namespace

std::uint64_t RandomCode::value() {
    return chance(50) ? kSpecial[below(kSpecial.size())] : random_() >> below(64);
}

void RandomCode::emit(rv::Word word) {
    if (at_ + 4 <= page_.bytes.size()) {
        page_.put(at_, rv::Code{word});
        at_ += 4;
    }
}

rv::Word RandomCode::fill(const InstructionInfo& info) {
    const auto any = static_cast<rv::Word>(random_());
    const rv::Word open = any & ~info.mask;
    const rv::Word small = destination() << 7 | any_x() << 15 | any_x() << 20;
    // Operands from few registers, and the rest of the open bits at random.
    const rv::Word fields = (0x1fU << 7 | 0x1fU << 15 | 0x1fU << 20) & ~info.mask;
    rv::Word word = info.match | (open & ~fields) | (small & fields);
    switch (info.format) {
    case Format::i:
    case Format::shift5:
    case Format::shift6:
        word = info.match | (small & 0x000fff80 & ~info.mask) | (open & 0xfff00000);
        if (chance(50) && info.format == Format::i) {
            word = (word & 0xfffff) | static_cast<rv::Word>(below(8)) << 20;
        }
        break;
    case Format::u:
        word = info.match | (small & 0xf80) | (open & 0xfffff000);
        break;
    case Format::fp_rm:
    case Format::fp_r4:
        word = (word & ~(7U << 12)) | (chance(60) ? 7U : static_cast<rv::Word>(below(6))) << 12;
        break;
    default:
        break;
    }
    return word;
}

void RandomCode::pattern() {
    const unsigned a = any_x(), d = destination(), e = destination();
    switch (below(11)) {
    case 10: {  // a small table
        const unsigned scale = static_cast<unsigned>(below(4));
        emit(rv::i(0x13, 7, d, a, static_cast<std::int64_t>(below(128))));
        emit(rv::slli(d, d, scale));
        emit(rv::add(e, d, kPointers[below(2)]));
        emit(rv::i(
            0x03, static_cast<rv::Word>(below(7)), any_x(), e, static_cast<std::int64_t>(below(32))
        ));
        break;
    }
    case 8:
    case 9: {  // fields of one object
        const unsigned base = kPointers[below(2)];
        const auto near = static_cast<std::int64_t>(below(64)) * 8 - 256;
        for (std::uint64_t left = 2 + below(5); left != 0; --left) {
            const std::int64_t offset = near + static_cast<std::int64_t>(below(24)) * 4;
            constexpr std::array<rv::Word, 6> kLoads = {
                0x3003, 0x2003, 0x0003, 0x5003, 0x3007, 0x2007
            };
            constexpr std::array<rv::Word, 4> kStores = {0x3023, 0x0023, 0x3027, 0x2027};
            if (chance(60)) {
                emit(rv::i(0, 0, any_x(), base, offset) | kLoads[below(kLoads.size())]);
            } else {
                emit(rv::s(0, 0, base, any_x(), offset) | kStores[below(kStores.size())]);
            }
        }
        break;
    }
    case 0: {  // extensions by shifts
        constexpr std::array<unsigned, 5> kBy = {32, 48, 56, 31, 33};
        const unsigned by = kBy[below(kBy.size())];
        emit(rv::slli(d, a, by));
        emit(rv::srli(e, d, chance(80) ? by : by - 3) | (chance(50) ? 0x4000'0000U : 0U));
        break;
    }
    case 1:  // scaled index
        emit(rv::slli(d, a, 1 + static_cast<unsigned>(below(4))));
        emit(rv::add(e, chance(50) ? d : any_x(), chance(50) ? d : any_x()));
        break;
    case 2:  // constants
        emit(rv::lui(d, static_cast<std::int64_t>(below(1 << 20))));
        emit(
            rv::addi(e, d, static_cast<std::int64_t>(below(4096)) - 2048) | (chance(50) ? 8U : 0U)
        );
        break;
    case 3:
        emit(rv::auipc(d, static_cast<std::int64_t>(below(3))));
        emit(rv::addi(e, d, static_cast<std::int64_t>(below(4096)) - 2048));
        emit(rv::ld(destination(), e, 8));
        break;
    case 4:  // comparison and branch
        emit(rv::r(0x33, chance(50) ? 2 : 3, 0, d, any_x(), any_x()));
        emit(rv::b(chance(50) ? 0 : 1, d, 0, 8 + static_cast<std::int64_t>(below(8)) * 4));
        break;
    case 5:  // a constant operand
        emit(rv::li(d, static_cast<std::int64_t>(below(70)) - 3));
        emit(fill(vmm::riscv::instruction_table()[below(120)]));
        emit(rv::r(0x33, static_cast<rv::Word>(below(8)), 1, e, any_x(), d));
        break;
    case 6:  // sign extension of what is extended
        emit(rv::i(0x1b, 0, d, a, static_cast<std::int64_t>(below(3)) - 1));
        emit(rv::i(0x1b, 0, e, d, 0));
        break;
    default:  // address arithmetic
        emit(rv::addi(d, pointer(), static_cast<std::int64_t>(below(256)) - 128));
        emit(rv::sd(any_x(), d, 8));
        emit(rv::lw(e, d, static_cast<std::int64_t>(below(64)) * 4));
        break;
    }
}

void RandomCode::one() {
    if (chance(25)) {
        pattern();
        return;
    }
    if (chance(8)) {  // a compressed pair that is mostly legal
        page_.put_half(at_ & 4094, static_cast<std::uint16_t>((random_() & 0xfffc) | 1));
        page_.put_half((at_ + 2) & 4094, 0x0285 + static_cast<std::uint16_t>(below(8) << 2));
        at_ += 4;
        return;
    }
    const auto table = vmm::riscv::instruction_table();
    const InstructionInfo& info = table[below(table.size())];
    switch (info.format) {
    case Format::none:
    case Format::csr:
        if (chance(5)) {
            emit(fill(info));
        }
        break;
    case Format::b:
        emit(rv::b(
            info.match >> 12 & 7,
            any_x(),
            any_x(),
            chance(85) ? static_cast<std::int64_t>(below(12)) * 4 + 4
                       : -static_cast<std::int64_t>(below(12)) * 4
        ));
        break;
    case Format::j:
        emit(rv::jal(
            chance(50) ? 0 : any_x(),
            chance(80) ? static_cast<std::int64_t>(below(12)) * 4 + 4
                       : static_cast<std::int64_t>(below(2048)) * 2 - 2048
        ));
        break;
    case Format::s:
    case Format::fp_store:
        emit(
            info.match
            | rv::s(0, 0, pointer(), any_x(), static_cast<std::int64_t>(below(512)) - 256)
        );
        break;
    case Format::fp_load:
        emit(
            info.match
            | rv::i(0, 0, any_x(), pointer(), static_cast<std::int64_t>(below(512)) - 256)
        );
        break;
    case Format::amo:
        emit((fill(info) & ~(31U << 15)) | pointer() << 15);
        break;
    case Format::i:
        if (info.op >= Op::lb && info.op <= Op::lwu) {
            emit(
                info.match
                | rv::i(0, 0, destination(), pointer(), static_cast<std::int64_t>(below(512)) - 256)
            );
            break;
        }
        [[fallthrough]];
    default:
        emit(fill(info));
        break;
    }
}

Page RandomCode::page() {
    at_ = 0;
    while (at_ < page_.bytes.size()) {
        one();
    }
    return page_;
}

}  // namespace dbt_test
