// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/listener.hpp"

#include <vmm/config.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tools {

/// A value that an option cannot take. The text says what it is and what would be accepted; where
/// it stands (option, file and line) is added by whoever knows.
struct BadValue : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Bytes. As QEMU and Firecracker users write sizes: 256M, 1G, 512K, 1T, with or without "iB" or
/// "B"; a plain number counts MiB. Throws BadValue outside [16 MiB, 1 TiB] or off 4 KiB.
std::uint64_t parse_memory_size(std::string_view text);
/// The same for host memory that a guest's translations may take.
std::uint64_t parse_code_cache_size(std::string_view text);

/// Decimal number in [low, high]. Throws BadValue.
std::uint64_t parse_number(std::string_view text, std::uint64_t low, std::uint64_t high);

/// Decimal number in [low, high], negative ones with a minus sign. Throws BadValue.
std::int64_t parse_signed_number(std::string_view text, std::int64_t low, std::int64_t high);

/// CPUs as taskset(1) takes them, in the order given, each once: 0-3,8. Throws BadValue.
std::vector<unsigned> parse_cpu_list(std::string_view text);

/// One of `names`. Throws BadValue, with a guess of what was meant.
std::string parse_name(std::string_view text, std::span<const std::string_view> names);

/// Several of them, divided by commas, each once and in the order given. Throws BadValue.
std::vector<std::string>
parse_names(std::string_view text, std::span<const std::string_view> names);

/// NAME=file:PATH[:ro|:rw] or NAME=dir:PATH[:ro|:rw], read-only by default. A relative PATH is
/// taken from `base` when that isn't empty. Throws BadValue.
vmm::Grant parse_grant(std::string_view text, const std::filesystem::path& base);

/// KEY=VALUE with a non-empty KEY, returned as it is. Throws BadValue.
std::string parse_environment(std::string_view text);

/// A guest's name: 1..32 bytes of [A-Za-z0-9._-]. Throws BadValue.
std::string parse_guest_name(std::string_view text);

/// A path, not empty, taken from `base` when it is relative and `base` isn't empty.
std::string parse_path(std::string_view text, const std::filesystem::path& base);

/// The path of a Unix socket, which must not be long. Throws BadValue.
std::string parse_socket_path(std::string_view text, const std::filesystem::path& base);

/// ADDR:PORT with an IP address (an IPv6 one in brackets) and a port from 0, or unix:PATH. Throws
/// BadValue.
ListenAddress parse_listen_address(std::string_view text, const std::filesystem::path& base);

/// Seconds with or without a fraction, from 0 to `most`. Throws BadValue.
std::chrono::milliseconds parse_seconds(std::string_view text, std::chrono::seconds most);

/// `unix:PATH` or `tcp...`, a path taken from `base`.
std::string parse_debug_address(std::string_view text, const std::filesystem::path& base);

}  // namespace tools
