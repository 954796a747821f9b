// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/ir/shape.hpp"

#include <array>

namespace vmm::dbt::ir {
namespace {

constexpr std::size_t kOps = static_cast<std::size_t>(Op::leave) + 1;

struct Line {
    Op op;
    Shape shape;
};

using enum Operand;

constexpr Shape binary(std::string_view name) {
    return {name, Kind::pure, integer, integer, optional_integer, false};
}
constexpr Shape binary_or_word(std::string_view name) {
    return {name, Kind::pure, integer, integer, optional_integer, true};
}
constexpr Shape unary(std::string_view name) {
    return {name, Kind::pure, integer, integer, none, false};
}
constexpr Shape unary_or_word(std::string_view name) {
    return {name, Kind::pure, integer, integer, none, true};
}
constexpr Shape amo(std::string_view name) {
    return {name, Kind::memory, optional_integer, integer, integer, false};
}

// clang-format off
constexpr std::array<Line, kOps> kLines = {{
    {Op::mov,                   {"mov", Kind::pure, integer, optional_integer, none, false}},
    {Op::add,                   binary_or_word("add")},
    {Op::sub,                   binary_or_word("sub")},
    {Op::bit_and,               binary("and")},
    {Op::bit_or,                binary("or")},
    {Op::bit_xor,               binary("xor")},
    {Op::and_not,               binary("and_not")},
    {Op::or_not,                binary("or_not")},
    {Op::xor_not,               binary("xor_not")},
    {Op::shl,                   binary_or_word("shl")},
    {Op::shr,                   binary_or_word("shr")},
    {Op::sar,                   binary_or_word("sar")},
    {Op::rotate_left,           binary_or_word("rotate_left")},
    {Op::rotate_right,          binary_or_word("rotate_right")},
    {Op::set_less,              binary("set_less")},
    {Op::set_less_unsigned,     binary("set_less_unsigned")},
    {Op::mul,                   binary_or_word("mul")},
    {Op::mul_high,              binary("mul_high")},
    {Op::mul_high_unsigned,     binary("mul_high_unsigned")},
    {Op::mul_high_mixed,        binary("mul_high_mixed")},
    {Op::div,                   binary_or_word("div")},
    {Op::div_unsigned,          binary_or_word("div_unsigned")},
    {Op::rem,                   binary_or_word("rem")},
    {Op::rem_unsigned,          binary_or_word("rem_unsigned")},
    {Op::min,                   binary("min")},
    {Op::max,                   binary("max")},
    {Op::min_unsigned,          binary("min_unsigned")},
    {Op::max_unsigned,          binary("max_unsigned")},
    {Op::zero_if_zero,          binary("zero_if_zero")},
    {Op::zero_if_not_zero,      binary("zero_if_not_zero")},
    {Op::bit_set,               binary("bit_set")},
    {Op::bit_clear,             binary("bit_clear")},
    {Op::bit_invert,            binary("bit_invert")},
    {Op::bit_extract,           binary("bit_extract")},
    {Op::shift_add,             binary("shift_add")},
    {Op::sign_extend_8,         unary("sign_extend_8")},
    {Op::sign_extend_16,        unary("sign_extend_16")},
    {Op::sign_extend_32,        unary("sign_extend_32")},
    {Op::zero_extend_16,        unary("zero_extend_16")},
    {Op::zero_extend_32,        unary("zero_extend_32")},
    {Op::count_leading_zeros,   unary_or_word("count_leading_zeros")},
    {Op::count_trailing_zeros,  unary_or_word("count_trailing_zeros")},
    {Op::count_ones,            unary_or_word("count_ones")},
    {Op::byte_swap,             unary("byte_swap")},
    {Op::or_combine_bytes,      unary("or_combine_bytes")},
    {Op::page_address,          {"page_address", Kind::pure, integer, none, none, false}},
    {Op::load,                  {"load", Kind::memory, optional_integer, integer, none, false}},
    {Op::store,                 {"store", Kind::memory, none, integer, integer, false}},
    {Op::load_float,            {"load_float", Kind::memory, floating, integer, none, false}},
    {Op::store_float,           {"store_float", Kind::memory, none, integer, floating, false}},
    {Op::load_reserved,         {"load_reserved", Kind::memory, optional_integer, integer, none, false}},
    {Op::store_conditional,     amo("store_conditional")},
    {Op::amo_swap,              amo("amo_swap")},
    {Op::amo_add,               amo("amo_add")},
    {Op::amo_and,               amo("amo_and")},
    {Op::amo_or,                amo("amo_or")},
    {Op::amo_xor,               amo("amo_xor")},
    {Op::amo_min,               amo("amo_min")},
    {Op::amo_max,               amo("amo_max")},
    {Op::amo_min_unsigned,      amo("amo_min_unsigned")},
    {Op::amo_max_unsigned,      amo("amo_max_unsigned")},
    {Op::fence,                 {"fence", Kind::state, none, none, none, false}},
    {Op::probe,                 {"probe", Kind::pure, integer, integer, none, false}},
    {Op::float_op,              {"float_op", Kind::state, guest, guest, guest, false}},
    {Op::float_dirty,           {"float_dirty", Kind::state, none, none, none, false}},
    {Op::branch,                {"branch", Kind::side_exit, none, integer, optional_integer, false}},
    {Op::jump,                  {"jump", Kind::terminator, none, none, none, false}},
    {Op::jump_indirect,         {"jump_indirect", Kind::terminator, none, integer, none, false}},
    {Op::push_return,           {"push_return", Kind::state, none, none, none, false}},
    {Op::system,                {"system", Kind::terminator, none, none, none, false}},
    {Op::leave,                 {"leave", Kind::terminator, none, none, none, false}},
}};
// clang-format on

constexpr bool in_order() {
    for (std::size_t n = 0; n < kOps; ++n) {
        if (kLines[n].op != static_cast<Op>(n)) {
            return false;
        }
    }
    return true;
}
static_assert(in_order(), "lines stand in the order of the enumerators");

}  // namespace

const Shape& shape_of(Op op) {
    return kLines[static_cast<std::size_t>(op)].shape;
}

}  // namespace vmm::dbt::ir
