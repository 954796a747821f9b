// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include "arch/riscv64/sbi.hpp"
#include "drivers/console.hpp"

namespace kernel {

constinit LogLevel log_level = LogLevel::none;

namespace {

constexpr std::size_t kLineBytes = 400;

std::size_t write_number(char* out, std::size_t size, std::uint64_t value, unsigned base) {
    char digits[24];
    std::size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    std::size_t written = 0;
    while (count != 0 && written < size) {
        out[written++] = digits[--count];
    }
    return written;
}

std::size_t
format(char* out, std::size_t size, std::string_view prefix, const Piece* pieces, std::size_t n) {
    std::size_t used = Piece(prefix).write(out, size);
    for (std::size_t i = 0; i < n; ++i) {
        used += pieces[i].write(out + used, size - used);
    }
    return used;
}

}  // namespace

std::size_t Piece::write(char* out, std::size_t size) const {
    std::size_t used = 0;
    switch (kind_) {
    case Kind::text:
        for (; used < text_.size() && used < size; ++used) {
            out[used] = text_[used];
        }
        return used;
    case Kind::integer:
        if (static_cast<std::int64_t>(value_) < 0 && size != 0) {
            out[0] = '-';
            return 1 + write_number(out + 1, size - 1, -value_, 10);
        }
        return write_number(out, size, value_, 10);
    case Kind::natural:
        return write_number(out, size, value_, 10);
    case Kind::hexadecimal:
        used = Piece("0x").write(out, size);
        return used + write_number(out + used, size - used, value_, 16);
    }
    return 0;
}

void print_line(std::string_view prefix, const Piece* pieces, std::size_t count) {
    char line[kLineBytes];
    std::size_t used = format(line, sizeof line - 1, prefix, pieces, count);
    line[used++] = '\n';
    console::write(line, used);
}

void panic_line(const Piece* pieces, std::size_t count) {
    char line[kLineBytes];
    std::size_t used = format(line, sizeof line - 1, "panic: ", pieces, count);
    line[used++] = '\n';
    console::write_in_panic(line, used);
    sbi::shutdown(sbi::kSystemFailure);
}

}  // namespace kernel
