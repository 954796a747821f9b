// SPDX-License-Identifier: Apache-2.0
// What the compiler calls by itself.
#include "base/log.hpp"

#include <cstddef>
#include <cstdint>

extern "C" {
void* memcpy(void* to, const void* from, std::size_t bytes);
void* memmove(void* to, const void* from, std::size_t bytes);
void* memset(void* to, int value, std::size_t bytes);
int memcmp(const void* left, const void* right, std::size_t bytes);
std::size_t strlen(const char* text);
void* memchr(const void* text, int wanted, std::size_t bytes);

// Built with -fno-builtin: the loops below must not become calls of themselves.
void* memcpy(void* to, const void* from, std::size_t bytes) {
    auto* out = static_cast<unsigned char*>(to);
    const auto* in = static_cast<const unsigned char*>(from);
    using Word [[gnu::may_alias]] = std::uint64_t;
    using Half [[gnu::may_alias]] = std::uint32_t;
    if (((reinterpret_cast<std::uintptr_t>(out) ^ reinterpret_cast<std::uintptr_t>(in)) & 7) == 0) {
        for (; bytes != 0 && (reinterpret_cast<std::uintptr_t>(out) & 7) != 0; --bytes) {
            *out++ = *in++;
        }
        for (; bytes >= 8; bytes -= 8, out += 8, in += 8) {
            *reinterpret_cast<Word*>(out) = *reinterpret_cast<const Word*>(in);
        }
    } else if (((reinterpret_cast<std::uintptr_t>(out) | reinterpret_cast<std::uintptr_t>(in)) & 3)
               == 0) {
        // Files of an initrd begin at multiples of four.
        for (; bytes >= 4; bytes -= 4, out += 4, in += 4) {
            *reinterpret_cast<Half*>(out) = *reinterpret_cast<const Half*>(in);
        }
    }
    for (; bytes != 0; --bytes) {
        *out++ = *in++;
    }
    return to;
}

void* memmove(void* to, const void* from, std::size_t bytes) {
    auto* out = static_cast<unsigned char*>(to);
    const auto* in = static_cast<const unsigned char*>(from);
    if (out <= in || out >= in + bytes) {
        return memcpy(to, from, bytes);
    }
    while (bytes-- != 0) {
        out[bytes] = in[bytes];
    }
    return to;
}

void* memset(void* to, int value, std::size_t bytes) {
    auto* out = static_cast<unsigned char*>(to);
    using Word [[gnu::may_alias]] = std::uint64_t;
    const auto byte = static_cast<unsigned char>(value);
    for (; bytes != 0 && (reinterpret_cast<std::uintptr_t>(out) & 7) != 0; --bytes) {
        *out++ = byte;
    }
    for (; bytes >= 8; bytes -= 8, out += 8) {
        *reinterpret_cast<Word*>(out) = byte * 0x0101010101010101u;
    }
    for (; bytes != 0; --bytes) {
        *out++ = byte;
    }
    return to;
}

int memcmp(const void* left, const void* right, std::size_t bytes) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    for (; bytes != 0; --bytes, ++a, ++b) {
        if (*a != *b) {
            return *a - *b;
        }
    }
    return 0;
}

std::size_t strlen(const char* text) {
    std::size_t length = 0;
    while (text[length] != 0) {
        ++length;
    }
    return length;
}

void* memchr(const void* text, int wanted, std::size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(text);
    for (; bytes != 0; --bytes, ++at) {
        if (*at == static_cast<unsigned char>(wanted)) {
            return const_cast<unsigned char*>(at);
        }
    }
    return nullptr;
}
}

// What libstdc++'s headers call where the hosted library would throw: a position out of range in
// the kernel's own use of a string view.
namespace std {
void __throw_out_of_range_fmt(const char* format, ...);
void __throw_out_of_range_fmt(const char* format, ...) {
    kernel::panic(format);
}
}  // namespace std
