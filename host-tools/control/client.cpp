// SPDX-License-Identifier: Apache-2.0
#include "control/client.hpp"

#include "control/unix_socket.hpp"
#include "options/tenant_keys.hpp"
#include "report/table.hpp"
#include "support/failure.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace tools {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

// Beyond what the request itself may take.
constexpr std::chrono::seconds kReplyTime{15};

/// Closes a descriptor at the end of a scope.
class Socket {
public:
    explicit Socket(int fd)
        : fd_(fd) {}
    ~Socket() { ::close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int fd() const noexcept { return fd_; }

private:
    int fd_;
};

Failure no_reply(std::string_view path, std::string_view why) {
    return {vmm::ErrorKind::internal, fmt::format("the command at {} {}", path, why)};
}

/// One line of at most 64 MiB, without its end.
std::string receive_line(int fd, std::string_view path, Clock::time_point deadline) {
    constexpr std::size_t kMost = std::size_t{64} << 20;
    std::string line;
    while (line.size() < kMost) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        ::pollfd wait{fd, POLLIN, 0};
        const int ready = left <= 0 ? 0 : ::poll(&wait, 1, static_cast<int>(left));
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            throw no_reply(path, "does not answer");
        }
        std::array<char, 65536> buffer;
        const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (count <= 0) {
            throw no_reply(path, "ended before it answered");
        }
        line.append(buffer.data(), static_cast<std::size_t>(count));
        if (const std::size_t end = line.find('\n'); end != std::string::npos) {
            line.resize(end);
            return line;
        }
    }
    throw no_reply(path, "answers more than anybody could read");
}

vmm::ErrorKind kind_of(std::string_view code) {
    if (code == "busy") {
        return vmm::ErrorKind::unavailable;
    }
    return code == "refused" || code == "timeout" ? vmm::ErrorKind::internal
                                                  : vmm::ErrorKind::usage;
}

/// How many of the virtual CPUs that it may have a guest has; nothing where that is all there is.
std::string cores_text(const Json& guest) {
    const auto own = guest.at("own_vcpus").get<std::uint64_t>();
    const auto granted = guest.at("granted_vcpus").get<std::uint64_t>();
    const std::size_t most = guest.at("vcpus").size();
    if (own >= most) {
        return {};
    }
    return fmt::format(
        "{}: {} of {} virtual CPUs, {} its own and {} granted\n",
        guest.at("name").get_ref<const std::string&>(),
        own + granted,
        most,
        own,
        granted
    );
}

std::string ps_text(const Json& reply) {
    constexpr std::string_view kRow = "{:<{}}  {:<8}  {:<7}  {:>4}  {:<8}  {:>5}  {:>8}  {:>8}\n";
    std::size_t width = 5;
    for (const Json& guest : reply.at("guests")) {
        width = std::max(width, guest.at("name").get_ref<const std::string&>().size());
    }
    std::string text = fmt::format(
        kRow, "guest", width, "state", "engine", "vcpu", "state", "level", "run", "wait"
    );
    for (const Json& guest : reply.at("guests")) {
        for (const Json& vcpu : guest.at("vcpus")) {
            const Json& level = vcpu.at("level");
            text += fmt::format(
                kRow,
                guest.at("name").get_ref<const std::string&>(),
                width,
                guest.at("state").get_ref<const std::string&>(),
                guest.at("engine").get_ref<const std::string&>(),
                vcpu.at("vcpu").get<std::uint64_t>(),
                vcpu.at("state").get_ref<const std::string&>(),
                level.is_null() ? "-" : std::to_string(level.get<unsigned>()),
                human_time(vcpu.at("run_ns").get<vmm::Nanos>()),
                human_time(vcpu.at("wait_ns").get<vmm::Nanos>())
            );
        }
    }
    for (const Json& guest : reply.at("guests")) {
        text += cores_text(guest);
    }
    return text;
}

std::string stop_text(const Json& reply) {
    std::string text;
    for (const Json& guest : reply.at("guests")) {
        const auto& ending = guest.at("ending").get_ref<const std::string&>();
        const std::string_view how = guest.at("forced").get<bool>() ? "ended by force"
                                     : ending == "stopped"          ? "powered off"
                                                                    : std::string_view(ending);
        text += fmt::format("{}: {}\n", guest.at("name").get_ref<const std::string&>(), how);
    }
    return text;
}

std::string tenant_text(const Json& reply) {
    std::string text;
    for (const Json& guest : reply.at("guests")) {
        text += guest.at("name").get_ref<const std::string&>() + ":";
        for (const auto& [key, value] : guest.at("tenant").items()) {
            text +=
                fmt::format(" {}={}", key, value.is_null() ? std::string(kNoLimit) : value.dump());
        }
        text += "\n";
    }
    return text;
}

}  // namespace

std::string reply_text(const Request& request, const std::string& reply, bool json) {
    try {
        const Json parsed = Json::parse(reply);
        if (!parsed.at("ok").get<bool>()) {
            const Json& error = parsed.at("error");
            throw Failure(
                kind_of(error.at("code").get_ref<const std::string&>()),
                error.at("message").get<std::string>()
            );
        }
        if (request.verb == Verb::stats) {
            return parsed.at("report").dump(2) + "\n";
        }
        if (json) {
            return reply + "\n";
        }
        return request.verb == Verb::ps       ? ps_text(parsed)
               : request.verb == Verb::stop   ? stop_text(parsed)
               : request.verb == Verb::tenant ? tenant_text(parsed)
                                              : std::string();
    } catch (const Json::exception& error) {
        throw Failure(
            vmm::ErrorKind::internal,
            fmt::format("the reply makes no sense ({}): is that a control socket?", error.what())
        );
    }
}

std::string ask_running_command(std::string_view path, const Request& request, bool json) {
    const Socket socket(connect_unix(path));
    if (socket.fd() < 0) {
        throw configuration_failure(fmt::format(
            "no command can be reached at {}: {}; give the path that is the --control of a running "
            "'cops run' or 'cops up'",
            path,
            std::strerror(errno)
        ));
    }
    const std::string line = request_line(request);
    // Who does not take it has perhaps answered already: too many clients.
    (void)!::send(socket.fd(), line.data(), line.size(), MSG_NOSIGNAL);
    const auto patience =
        request.verb == Verb::stop ? request.timeout : std::chrono::milliseconds(0);
    const auto deadline = Clock::now() + kReplyTime + patience;
    return reply_text(request, receive_line(socket.fd(), path, deadline), json);
}

}  // namespace tools
