// SPDX-License-Identifier: Apache-2.0
// What code built with -fsanitize=undefined calls: each misdeed ends the machine with what and
// where. The compiler passes its records of the place first, then the operands, which we leave
// alone. The names are the compiler's.
#include "base/log.hpp"

#include <cstdint>
#include <string_view>

namespace {

/// Begins every record.
struct Place {
    const char* file;
    std::uint32_t line;
    std::uint32_t column;
};

// Saying it runs code that is sanitized itself.
constinit bool reporting = false;

[[noreturn]] void report(const char* what, const Place* place) {
    if (__atomic_exchange_n(&reporting, true, __ATOMIC_RELAXED)) {
        __builtin_trap();
    }
    // The compiler was told the file's whole path, or by a compiler cache one relative to the
    // build.
    std::string_view file = place->file;
    constexpr std::string_view kSource = COPS_SOURCE_DIR "/";
    if (file.starts_with(kSource)) {
        file.remove_prefix(kSource.size());
    }
    while (file.starts_with("../")) {
        file.remove_prefix(3);
    }
    kernel::panic(
        "undefined behaviour: ", what, " at ", file, ":", place->line, ":", place->column
    );
}

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
#define COPS_UBSAN(name, what)                                                                     \
    extern "C" void __ubsan_handle_##name##_abort(const Place* place);                             \
    extern "C" void __ubsan_handle_##name##_abort(const Place* place) {                            \
        report(what, place);                                                                       \
    }

COPS_UBSAN(type_mismatch_v1, "null or misaligned pointer, or too small an object")
COPS_UBSAN(alignment_assumption, "wrong assumption about an alignment")
COPS_UBSAN(add_overflow, "signed addition overflows")
COPS_UBSAN(sub_overflow, "signed subtraction overflows")
COPS_UBSAN(mul_overflow, "signed multiplication overflows")
COPS_UBSAN(negate_overflow, "negation overflows")
COPS_UBSAN(divrem_overflow, "division by zero, or its quotient overflows")
COPS_UBSAN(shift_out_of_bounds, "shift by too much, or of a negative value")
COPS_UBSAN(out_of_bounds, "index out of bounds")
COPS_UBSAN(vla_bound_not_positive, "array of no or negative length")
COPS_UBSAN(load_invalid_value, "value that its type does not have")
COPS_UBSAN(invalid_builtin, "argument that a builtin does not take")
COPS_UBSAN(nonnull_arg, "null argument where none may be")
COPS_UBSAN(pointer_overflow, "pointer arithmetic overflows")
#undef COPS_UBSAN

// These two never go on, so their names lack the suffix.
extern "C" void __ubsan_handle_builtin_unreachable(const Place* place);
extern "C" void __ubsan_handle_builtin_unreachable(const Place* place) {
    report("code that is not reachable is reached", place);
}
extern "C" void __ubsan_handle_missing_return(const Place* place);
extern "C" void __ubsan_handle_missing_return(const Place* place) {
    report("a function ends without its result", place);
}
extern "C" void __ubsan_handle_nonnull_return_v1_abort(const void* data, const Place* place);
extern "C" void __ubsan_handle_nonnull_return_v1_abort(const void*, const Place* place) {
    report("null result where none may be", place);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
