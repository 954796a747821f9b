// SPDX-License-Identifier: Apache-2.0
#include "boot/boot_archive.hpp"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

namespace tools {
namespace {

/// Linux, Documentation/driver-api/early-userspace/buffer-format.rst: header fields of eight
/// hexadecimal digits; name and contents each padded to four bytes.
void append_entry(
    std::vector<std::uint8_t>& archive,
    std::string_view name,
    std::uint32_t mode,
    std::uint32_t inode,
    std::span<const std::uint8_t> contents
) {
    const auto pad = [&archive] {
        while (archive.size() % 4 != 0) {
            archive.push_back(0);
        }
    };
    constexpr std::uint32_t kLinks = 1;
    fmt::format_to(
        std::back_inserter(archive),
        "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
        inode,
        mode,
        0,  // uid
        0,  // gid
        kLinks,
        0,  // mtime
        contents.size(),
        0,  // device, major
        0,  // device, minor
        0,  // device of a special file, major
        0,  // and minor
        name.size() + 1,
        0  // no checksum in newc
    );
    archive.insert(archive.end(), name.begin(), name.end());
    archive.push_back(0);
    pad();
    archive.insert(archive.end(), contents.begin(), contents.end());
    pad();
}

std::vector<std::uint8_t> terminated(std::span<const std::string> strings) {
    std::vector<std::uint8_t> bytes;
    for (const std::string& string : strings) {
        bytes.insert(bytes.end(), string.begin(), string.end());
        bytes.push_back(0);
    }
    return bytes;
}

}  // namespace

std::vector<std::uint8_t> make_boot_archive(
    std::span<const std::uint8_t> application,
    std::span<const std::string> arguments,
    std::span<const std::string> environment
) {
    constexpr std::uint32_t kExecutable = 0100755;
    constexpr std::uint32_t kReadable = 0100644;
    std::vector<std::uint8_t> archive;
    archive.reserve(application.size() + 4096);
    append_entry(archive, "app", kExecutable, 1, application);
    append_entry(archive, "argv", kReadable, 2, terminated(arguments));
    append_entry(archive, "env", kReadable, 3, terminated(environment));
    append_entry(archive, "TRAILER!!!", 0, 0, {});
    return archive;
}

}  // namespace tools
