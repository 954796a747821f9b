// SPDX-License-Identifier: Apache-2.0
#include "options/values.hpp"

#include "control/unix_socket.hpp"
#include "support/suggest.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace tools {
namespace {

constexpr std::uint64_t kMinMemory = std::uint64_t{16} << 20;
constexpr std::uint64_t kMaxMemory = std::uint64_t{1} << 40;
constexpr std::uint64_t kMinCodeCache = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxCodeCache = std::uint64_t{4} << 30;

/// The number that begins `text`, which is left with the rest; nothing fits when it is too large.
bool take_number(std::string_view& text, std::uint64_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) {
        return false;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'
           || c == '_' || c == '-';
}

bool is_name(std::string_view text, std::size_t limit) {
    return !text.empty() && text.size() <= limit && text != "." && text != ".."
           && std::ranges::all_of(text, is_name_character);
}

/// Bits to shift by for the suffix of a size, or nothing.
int unit_shift(std::string_view suffix) {
    if (suffix.empty()) {
        return 20;
    }
    const char unit = suffix.front();
    suffix.remove_prefix(1);
    if (!suffix.empty() && suffix != "B" && suffix != "iB" && suffix != "b" && suffix != "ib") {
        return -1;
    }
    switch (unit) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    case 't':
    case 'T':
        return 40;
    default:
        return -1;
    }
}

}  // namespace

namespace {

struct SizeRange {
    std::string_view what;
    std::uint64_t low;
    std::uint64_t high;
    std::string_view accepted;
};

std::uint64_t parse_size(std::string_view text, const SizeRange& range) {
    std::string_view rest = text;
    std::uint64_t number = 0;
    const bool digits = take_number(rest, number);
    const int shift = digits ? unit_shift(rest) : -1;
    if (shift < 0) {
        throw BadValue(fmt::format(
            "'{}' is not a {}; accepted: a number with K, M, G or T, such as 256M or "
            "1G (a plain number counts MiB)",
            text,
            range.what
        ));
    }
    const bool too_large = number > (std::numeric_limits<std::uint64_t>::max() >> shift);
    const std::uint64_t bytes = too_large ? 0 : number << shift;
    if (too_large || bytes < range.low || bytes > range.high) {
        throw BadValue(fmt::format("'{}' is out of range; accepted: {}", text, range.accepted));
    }
    if (bytes % vmm::kPageSize != 0) {
        throw BadValue(fmt::format("'{}' is not a multiple of 4K", text));
    }
    return bytes;
}

}  // namespace

std::uint64_t parse_memory_size(std::string_view text) {
    return parse_size(text, {"memory size", kMinMemory, kMaxMemory, "16M to 1T"});
}

std::uint64_t parse_code_cache_size(std::string_view text) {
    return parse_size(text, {"size of a code cache", kMinCodeCache, kMaxCodeCache, "1M to 4G"});
}

std::uint64_t parse_number(std::string_view text, std::uint64_t low, std::uint64_t high) {
    std::string_view rest = text;
    std::uint64_t number = 0;
    if (!take_number(rest, number) || !rest.empty() || number < low || number > high) {
        throw BadValue(
            fmt::format("'{}' is not accepted; give a number from {} to {}", text, low, high)
        );
    }
    return number;
}

std::int64_t parse_signed_number(std::string_view text, std::int64_t low, std::int64_t high) {
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || rest != text.data() + text.size() || number < low
        || number > high) {
        throw BadValue(
            fmt::format("'{}' is not accepted; give a number from {} to {}", text, low, high)
        );
    }
    return number;
}

std::vector<unsigned> parse_cpu_list(std::string_view text) {
    constexpr std::size_t kMostCpus = 8192;  // of any Linux
    std::vector<bool> seen(kMostCpus);
    std::vector<unsigned> cpus;
    std::string_view rest = text;
    for (bool more = true; more;) {
        std::uint64_t first = 0;
        bool good = take_number(rest, first);
        std::uint64_t last = first;
        if (good && rest.starts_with('-')) {
            rest.remove_prefix(1);
            good = take_number(rest, last);
        }
        more = rest.starts_with(',');
        if (!good || first > last || last >= kMostCpus || (!more && !rest.empty())) {
            throw BadValue(fmt::format(
                "'{}' is not a list of CPUs; accepted: numbers and ranges, such as 0-3,8", text
            ));
        }
        rest.remove_prefix(more ? 1 : 0);
        for (std::uint64_t cpu = first; cpu <= last; ++cpu) {
            if (seen[cpu]) {
                throw BadValue(fmt::format("'{}' has CPU {} twice; list each once", text, cpu));
            }
            seen[cpu] = true;
            cpus.push_back(static_cast<unsigned>(cpu));
        }
    }
    return cpus;
}

std::string parse_name(std::string_view text, std::span<const std::string_view> names) {
    if (std::ranges::find(names, text) == names.end()) {
        throw BadValue(fmt::format(
            "'{}' is not known; accepted: {}{}", text, enumerate(names), did_you_mean(text, names)
        ));
    }
    return std::string(text);
}

std::vector<std::string>
parse_names(std::string_view text, std::span<const std::string_view> names) {
    std::vector<std::string> found;
    for (bool more = true; more;) {
        const std::size_t comma = text.find(',');
        std::string name = parse_name(text.substr(0, comma), names);
        if (std::ranges::find(found, name) != found.end()) {
            throw BadValue(fmt::format("'{}' is given twice; give each once", name));
        }
        found.push_back(std::move(name));
        more = comma != std::string_view::npos;
        text.remove_prefix(more ? comma + 1 : text.size());
    }
    return found;
}

vmm::Grant parse_grant(std::string_view text, const std::filesystem::path& base) {
    const auto bad = [text](std::string_view why) {
        return BadValue(fmt::format(
            "'{}' {}; accepted: NAME=file:PATH[:ro|:rw] or NAME=dir:PATH[:ro|:rw]", text, why
        ));
    };
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
        throw bad("has no '='");
    }
    vmm::Grant grant;
    grant.name = text.substr(0, equals);
    if (!is_name(grant.name, 63)) {
        throw bad("does not begin with a name of 1 to 63 letters, digits, '.', '_' or '-'");
    }
    std::string_view rest = text.substr(equals + 1);
    if (rest.starts_with("file:")) {
        grant.kind = vmm::Grant::Kind::file;
    } else if (rest.starts_with("dir:")) {
        grant.kind = vmm::Grant::Kind::directory;
    } else {
        throw bad("says neither 'file:' nor 'dir:' after '='");
    }
    rest.remove_prefix(rest.find(':') + 1);
    // A path that itself ends so needs the mode said: PATH:ro:ro.
    if (rest.ends_with(":ro") || rest.ends_with(":rw")) {
        grant.writable = rest.ends_with("rw");
        rest.remove_suffix(3);
    }
    if (rest.empty()) {
        throw bad("has no path");
    }
    grant.path = parse_path(rest, base);
    return grant;
}

std::string parse_environment(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos
        || text.find('\0') != std::string_view::npos) {
        throw BadValue(fmt::format("'{}' is not accepted; give KEY=VALUE", text));
    }
    return std::string(text);
}

std::string parse_guest_name(std::string_view text) {
    if (!is_name(text, 32)) {
        throw BadValue(fmt::format(
            "'{}' is not a guest's name; accepted: 1 to 32 letters, digits, '.', '_' or '-'", text
        ));
    }
    return std::string(text);
}

std::string parse_path(std::string_view text, const std::filesystem::path& base) {
    if (text.empty() || text.find('\0') != std::string_view::npos) {
        throw BadValue("an empty path is not accepted; give the path of a file");
    }
    const std::filesystem::path path(text);
    return base.empty() || path.is_absolute() ? path.string() : (base / path).string();
}

std::string parse_socket_path(std::string_view text, const std::filesystem::path& base) {
    std::string path = parse_path(text, base);
    if (path.size() > kMaxSocketPath) {
        throw BadValue(fmt::format(
            "'{}' is too long for a socket; accepted: at most {} bytes", path, kMaxSocketPath
        ));
    }
    return path;
}

ListenAddress parse_listen_address(std::string_view text, const std::filesystem::path& base) {
    if (text.starts_with("unix:")) {
        return {.path = parse_socket_path(text.substr(5), base), .host = {}};
    }
    const auto bad = [text] {
        return BadValue(fmt::format(
            "'{}' is not accepted; give ADDR:PORT with an IP address, such as 127.0.0.1:9090 or "
            "[::1]:9090, or unix:PATH",
            text
        ));
    };
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        throw bad();
    }
    std::string_view host = text.substr(0, colon);
    std::string_view port = text.substr(colon + 1);
    std::uint64_t number = 0;
    const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (brackets) {
        host = host.substr(1, host.size() - 2);
    }
    const std::string address(host);
    ::in6_addr ignored{};  // large enough for both
    const bool is_ip = ::inet_pton(brackets ? AF_INET6 : AF_INET, address.c_str(), &ignored) == 1;
    if (!is_ip || !take_number(port, number) || !port.empty() || number > 65535) {
        throw bad();
    }
    return {.path = {}, .host = address, .port = static_cast<std::uint16_t>(number)};
}

std::chrono::milliseconds parse_seconds(std::string_view text, std::chrono::seconds most) {
    double seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    if (!whole || !(seconds >= 0 && seconds <= static_cast<double>(most.count()))) {
        throw BadValue(
            fmt::format("'{}' is not accepted; give seconds from 0 to {}", text, most.count())
        );
    }
    return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

std::string parse_debug_address(std::string_view text, const std::filesystem::path& base) {
    if (text.starts_with("unix:")) {
        return "unix:" + parse_path(text.substr(5), base);
    }
    if (!text.starts_with("tcp:") && !text.starts_with("tcp-public:")) {
        throw BadValue(fmt::format(
            "'{}' is not accepted; give unix:PATH, tcp:ADDR:PORT or tcp-public:ADDR:PORT", text
        ));
    }
    return std::string(text);  // libvmm knows the rest
}

}  // namespace tools
