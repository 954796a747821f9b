// SPDX-License-Identifier: Apache-2.0
#include "io/grants.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace vmm::io {
namespace {

constexpr std::size_t kLongestName = 63;

bool good_name(std::string_view name) {
    constexpr std::string_view kAllowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return !name.empty() && name.size() <= kLongestName && name != "." && name != ".."
           && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::unexpected<Error> bad(const Grant& grant, std::string_view why) {
    return fail(
        ErrorKind::configuration, fmt::format("grant {} ({}): {}", grant.name, grant.path, why)
    );
}

int open_path(const Grant& grant) {
    if (grant.kind == Grant::Kind::directory) {
        return ::open(grant.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    // Non-blocking, so that a FIFO without a writer doesn't hold up the start.
    const int access = grant.writable ? O_RDWR : O_RDONLY;
    return ::open(grant.path.c_str(), access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

Result<OpenGrant> open_grant(const Grant& grant) {
    const int fd = open_path(grant);
    if (fd < 0) {
        const int error = errno;
        if (error == ENOTDIR && grant.kind == Grant::Kind::directory) {
            return bad(grant, "not a directory; grant a file with file:PATH");
        }
        if (error == EISDIR) {
            return bad(grant, "is a directory; grant it with dir:PATH");
        }
        const char* access = grant.writable ? "for reading and writing" : "for reading";
        return bad(grant, fmt::format("cannot be opened {}: {}", access, std::strerror(error)));
    }
    auto file = File::adopt(fd);
    if (grant.kind == Grant::Kind::file) {
        struct stat status{};
        if (::fstat(fd, &status) != 0) {
            return bad(grant, std::strerror(errno));
        }
        if (S_ISDIR(status.st_mode)) {
            return bad(grant, "is a directory; grant it with dir:PATH");
        }
        const int flags = ::fcntl(fd, F_GETFL);
        if (flags < 0 || ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
            return bad(grant, std::strerror(errno));
        }
    }
    return OpenGrant{grant.name, grant.kind, grant.writable, std::move(file)};
}

}  // namespace

Result<std::vector<OpenGrant>> open_grants(std::span<const Grant> grants) {
    std::vector<OpenGrant> opened;
    opened.reserve(grants.size());
    for (const Grant& grant : grants) {
        if (!good_name(grant.name)) {
            return bad(grant, "the name must be 1 to 63 of the characters A-Z a-z 0-9 . _ -");
        }
        const auto same = [&](const OpenGrant& other) { return other.name == grant.name; };
        if (std::ranges::any_of(opened, same)) {
            return bad(grant, "there is another grant with this name");
        }
        auto one = open_grant(grant);
        if (!one) {
            return std::unexpected(std::move(one.error()));
        }
        opened.push_back(std::move(*one));
    }
    return opened;
}

}  // namespace vmm::io
