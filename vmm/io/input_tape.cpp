// SPDX-License-Identifier: Apache-2.0
#include "io/input_tape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>

namespace vmm::io {
namespace {

constexpr std::string_view kMagic = "cops-input";
constexpr unsigned kVersion = 1;

/// Two hexadecimal digits a byte; "-": none.
std::string to_hex(std::span<const char> bytes) {
    std::string text;
    for (const char byte : bytes) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return text.empty() ? "-" : text;
}

std::optional<std::vector<char>> from_hex(std::string_view text) {
    std::vector<char> bytes;
    if (text == "-") {
        return bytes;
    }
    if (text.size() % 2 != 0) {
        return std::nullopt;
    }
    const auto digit = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]);
        const int low = digit(text[i + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        bytes.push_back(static_cast<char>(high << 4 | low));
    }
    return bytes;
}

}  // namespace

Result<std::unique_ptr<InputTape>> InputTape::record(const std::string& path, std::uint64_t seed) {
    std::FILE* file = std::fopen(path.c_str(), "we");
    if (file == nullptr) {
        return fail(
            ErrorKind::configuration,
            fmt::format("cannot write the input to {}: {}", path, std::strerror(errno))
        );
    }
    std::unique_ptr<InputTape> tape(new InputTape(file, path));
    std::fputs(fmt::format("{} {} {}\n", kMagic, kVersion, seed).c_str(), file);
    return tape;
}

Result<std::unique_ptr<InputTape>> InputTape::replay(const std::string& path, std::uint64_t seed) {
    std::ifstream file(path);
    if (!file) {
        return fail(
            ErrorKind::configuration,
            fmt::format("cannot read the input {}: {}", path, std::strerror(errno))
        );
    }
    std::string line;
    std::getline(file, line);
    std::string magic;
    unsigned version = 0;
    std::uint64_t of_seed = 0;
    std::istringstream(line) >> magic >> version >> of_seed;
    if (magic != kMagic || version != kVersion) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "{} is no recorded input; its first line has to be '{} {} SEED'",
                path,
                kMagic,
                kVersion
            )
        );
    }
    if (of_seed != seed) {
        return fail(
            ErrorKind::configuration,
            fmt::format("{} is of a run with seed {}, and this one has {}", path, of_seed, seed)
        );
    }
    std::unique_ptr<InputTape> tape(new InputTape(nullptr, path));
    for (unsigned number = 2; std::getline(file, line); ++number) {
        if (!tape->take_line(line)) {
            return fail(
                ErrorKind::configuration,
                fmt::format(
                    "{}:{}: give 'typed ROUNDS|idle GUEST BYTES' or 'read GUEST SEQUENCE RESULT "
                    "BYTES'",
                    path,
                    number
                )
            );
        }
    }
    return tape;
}

bool InputTape::take_line(const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    std::string hex;
    words >> kind;
    if (kind == "typed") {
        Typed typed;
        std::string rounds;
        words >> rounds >> typed.guest >> hex;
        typed.idle = rounds == "idle";
        if (!typed.idle && !(std::istringstream(rounds) >> typed.rounds)) {
            return false;
        }
        auto bytes = from_hex(hex);
        if (!words || !bytes) {
            return false;
        }
        typed.bytes = std::move(*bytes);
        typed_.push_back(std::move(typed));
        return true;
    }
    std::pair<std::uint32_t, std::uint64_t> key;
    Read read;
    words >> key.first >> key.second >> read.result >> hex;
    auto bytes = from_hex(hex);
    if (kind != "read" || !words || !bytes
        || bytes->size() != static_cast<std::size_t>(std::max<std::int64_t>(read.result, 0))) {
        return false;
    }
    read.bytes = std::move(*bytes);
    return reads_.emplace(key, std::move(read)).second;
}

InputTape::~InputTape() {
    if (file_ != nullptr) {
        std::fclose(file_);
    }
}

void InputTape::note_typed(const Typed& typed) {
    std::fputs(
        fmt::format(
            "typed {} {} {}\n",
            typed.idle ? "idle" : std::to_string(typed.rounds),
            typed.guest,
            to_hex(typed.bytes)
        )
            .c_str(),
        file_
    );
    std::fflush(file_);
}

void InputTape::note_read(
    std::uint32_t guest, std::uint64_t sequence, std::int64_t result, std::span<const iovec> to
) {
    std::vector<char> bytes;
    std::size_t left = result > 0 ? static_cast<std::size_t>(result) : 0;
    for (const iovec& segment : to) {
        const auto* from = static_cast<const char*>(segment.iov_base);
        const std::size_t part = std::min(left, segment.iov_len);
        bytes.insert(bytes.end(), from, from + part);
        left -= part;
    }
    std::fputs(
        fmt::format("read {} {} {} {}\n", guest, sequence, result, to_hex(bytes)).c_str(), file_
    );
    std::fflush(file_);
}

std::optional<std::int64_t>
InputTape::give_read(std::uint32_t guest, std::uint64_t sequence, std::span<const iovec> to) {
    const auto found = reads_.find({guest, sequence});
    if (found == reads_.end()) {
        return std::nullopt;
    }
    const Read read = std::move(found->second);
    reads_.erase(found);
    std::size_t done = 0;
    for (const iovec& segment : to) {
        const std::size_t part = std::min(read.bytes.size() - done, segment.iov_len);
        const auto from = read.bytes.begin() + static_cast<std::ptrdiff_t>(done);
        std::copy_n(from, part, static_cast<char*>(segment.iov_base));
        done += part;
    }
    // What the tape says may be more than there is room for.
    return std::min(read.result, static_cast<std::int64_t>(done));
}

Result<void> InputTape::finish() {
    if (file_ != nullptr && (std::fflush(file_) != 0 || std::ferror(file_) != 0)) {
        return fail(
            ErrorKind::internal,
            fmt::format("the input in {} is not whole: {}", path_, std::strerror(errno))
        );
    }
    return {};
}

}  // namespace vmm::io
