// SPDX-License-Identifier: Apache-2.0
#include "fs/initrd.hpp"

#include "base/log.hpp"
#include "fs/path.hpp"
#include "mm/heap.hpp"

#include <array>

namespace kernel::initrd {

namespace {

constexpr std::size_t kHeaderBytes = 110;
constexpr std::size_t kFields = 13;
constexpr std::size_t kMaxEntries = 65536;
constexpr std::uint32_t kTypeMask = 0170000;
constexpr std::uint32_t kRegular = 0100000;
constexpr std::uint32_t kDirectory = 0040000;

constinit InitrdEntry* entries = nullptr;
constinit std::size_t entry_count = 0;
constinit InitrdEntry root_entry{.mode = kDirectory | 0555, .inode = 1};

constexpr std::uint64_t align4(std::uint64_t at) {
    return (at + 3) & ~std::uint64_t{3};
}

bool parse_hex(const char* text, std::uint32_t& value) {
    value = 0;
    for (int i = 0; i < 8; ++i) {
        const char c = text[i];
        const bool digit = c >= '0' && c <= '9';
        const char lower = static_cast<char>(c | 0x20);
        if (!digit && (lower < 'a' || lower > 'f')) {
            return false;
        }
        value = value << 4 | static_cast<std::uint32_t>(digit ? c - '0' : lower - 'a' + 10);
    }
    return true;
}

struct Cursor {
    const char* data;
    std::uint64_t size;
    std::uint64_t at = 0;
};

// The next member, past padding and trailers. False at the end or at what is not an archive.
bool next(Cursor& cursor, InitrdEntry& entry) {
    for (;;) {
        while (cursor.at < cursor.size && cursor.data[cursor.at] == 0) {
            ++cursor.at;
        }
        if (cursor.size - cursor.at < kHeaderBytes) {
            return false;
        }
        const char* const header = cursor.data + cursor.at;
        const std::string_view magic(header, 6);
        std::array<std::uint32_t, kFields> field{};
        if (magic != "070701" && magic != "070702") {
            return false;
        }
        for (std::size_t i = 0; i < kFields; ++i) {
            if (!parse_hex(header + 6 + 8 * i, field[i])) {
                return false;
            }
        }
        const std::uint64_t name_bytes = field[11];
        const std::uint64_t data_at = align4(cursor.at + kHeaderBytes + name_bytes);
        const std::uint64_t bytes = field[6];
        if (name_bytes == 0 || data_at > cursor.size || bytes > cursor.size - data_at) {
            return false;
        }
        std::string_view name(header + kHeaderBytes, name_bytes - 1);
        cursor.at = align4(data_at + bytes);
        if (name == "TRAILER!!!") {
            continue;
        }
        while (name.substr(0, 2) == "./" || name.substr(0, 1) == "/") {
            name.remove_prefix(name[0] == '/' ? 1 : 2);
        }
        entry.name = name == "." ? std::string_view() : name;
        entry.data = {reinterpret_cast<const std::byte*>(cursor.data + data_at), bytes};
        entry.mode = field[1];
        entry.inode = field[0];
        entry.mtime = field[5];
        return true;
    }
}

}  // namespace

void init(PhysAddr start, PhysAddr end) {
    if (end <= start) {
        return;
    }
    Cursor cursor{direct<const char>(start), end - start};
    InitrdEntry entry;
    std::size_t count = 0;
    while (count < kMaxEntries && next(cursor, entry)) {
        ++count;
    }
    entries = static_cast<InitrdEntry*>(heap::allocate(count * sizeof(InitrdEntry)));
    if (entries == nullptr) {
        say("cops-kernel: no memory to index the initrd");
        return;
    }
    cursor.at = 0;
    for (; entry_count < count && next(cursor, entry); ++entry_count) {
        new (&entries[entry_count]) InitrdEntry(entry);
    }
    info("initrd: ", entry_count, " files");
}

const InitrdEntry* find(std::string_view path) {
    char buffer[Path::kMax];
    const std::string_view name = normalise(path, buffer);
    if (name.empty()) {
        return &root_entry;
    }
    for (std::size_t i = entry_count; i > 0; --i) {
        const InitrdEntry& entry = entries[i - 1];
        const std::uint32_t type = entry.mode & kTypeMask;
        if (entry.name == name && (type == kRegular || type == kDirectory)) {
            return &entry;
        }
    }
    return nullptr;
}

std::span<const std::byte> content(std::string_view path) {
    const InitrdEntry* const entry = find(path);
    return entry == nullptr ? std::span<const std::byte>() : entry->data;
}

}  // namespace kernel::initrd
