// SPDX-License-Identifier: Apache-2.0
#include "debug/server.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vmm::debug {
namespace {

struct SocketAddress {
    ::sockaddr_storage storage{};
    ::socklen_t size = 0;
    ::sockaddr* get() { return reinterpret_cast<::sockaddr*>(&storage); }
};

SocketAddress socket_address(const Address& address) {
    SocketAddress result;
    switch (address.kind) {
    case Address::Kind::unix_socket: {
        auto* to = reinterpret_cast<::sockaddr_un*>(&result.storage);
        to->sun_family = AF_UNIX;
        std::ranges::copy(address.host, to->sun_path);
        result.size = sizeof(::sockaddr_un);
        break;
    }
    case Address::Kind::tcp4: {
        auto* to = reinterpret_cast<::sockaddr_in*>(&result.storage);
        to->sin_family = AF_INET;
        to->sin_port = htons(address.port);
        ::inet_pton(AF_INET, address.host.c_str(), &to->sin_addr);
        result.size = sizeof(::sockaddr_in);
        break;
    }
    case Address::Kind::tcp6: {
        auto* to = reinterpret_cast<::sockaddr_in6*>(&result.storage);
        to->sin6_family = AF_INET6;
        to->sin6_port = htons(address.port);
        ::inet_pton(AF_INET6, address.host.c_str(), &to->sin6_addr);
        result.size = sizeof(::sockaddr_in6);
        break;
    }
    }
    return result;
}

/// A socket file that nobody listens on is left over from somebody who could not clean up.
void remove_stale_socket(const Address& address) {
    struct ::stat status{};
    if (::lstat(address.host.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return;
    }
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) {
        return;
    }
    SocketAddress to = socket_address(address);
    if (::connect(probe, to.get(), to.size) != 0 && errno == ECONNREFUSED) {
        ::unlink(address.host.c_str());
    }
    ::close(probe);
}

std::unexpected<Error> cannot_listen(const Address& address) {
    return fail(
        ErrorKind::configuration,
        fmt::format("cannot listen for a debugger on {}: {}", address.text(), std::strerror(errno))
    );
}

}  // namespace

Server::Server(Address address, Target& target, std::string name)
    : address_(std::move(address))
    , target_(target)
    , name_(std::move(name)) {}

Result<std::unique_ptr<Server>>
Server::listen(const Address& address, Target& target, std::string name) {
    std::unique_ptr<Server> server(new Server(address, target, std::move(name)));
    if (auto opened = server->open(); !opened) {
        return std::unexpected(std::move(opened.error()));
    }
    return server;
}

Result<void> Server::open() {
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    SocketAddress to = socket_address(address_);
    const int family = to.storage.ss_family;
    const int listener = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (wake_ < 0 || listener < 0) {
        const int error = errno;
        if (listener >= 0) {
            ::close(listener);
        }
        errno = error;
        return cannot_listen(address_);
    }
    const bool is_unix = address_.kind == Address::Kind::unix_socket;
    if (is_unix) {
        remove_stale_socket(address_);
        ::fchmod(listener, 0600);  // becomes the mode of the file
    } else {
        const int on = 1;
        ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (::bind(listener, to.get(), to.size) != 0) {
        const int error = errno;
        ::close(listener);
        errno = error;
        return cannot_listen(address_);
    }
    listener_ = listener;  // the destructor removes the file from here on
    if (::listen(listener_, 4) != 0) {
        return cannot_listen(address_);
    }
    if (!is_unix) {
        ::getsockname(listener_, to.get(), &to.size);
        // The port is at the same place in both families.
        address_.port = ntohs(reinterpret_cast<::sockaddr_in*>(&to.storage)->sin_port);
    }
    return {};
}

Server::~Server() {
    if (thread_.joinable()) {
        post(Quit{});
        thread_.join();
    }
    if (listener_ >= 0) {
        ::close(listener_);
        if (address_.kind == Address::Kind::unix_socket) {
            ::unlink(address_.host.c_str());
        }
    }
    if (wake_ >= 0) {
        ::close(wake_);
    }
}

void Server::start() {
    thread_ = std::thread([this] {
        pthread_setname_np(pthread_self(), "cops-gdb");
        serve();
    });
}

void Server::held(Stop stop) {
    post(stop);
}
void Server::running() {
    post(Running{});
}
void Server::ended(Ended how) {
    post(how);
}

void Server::post(Event event) {
    {
        const std::lock_guard lock(mutex_);
        events_.push_back(event);
    }
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
}

void Server::serve() {
    for (;;) {
        std::array<::pollfd, 3> waits{
            {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}, {connection_, POLLIN, 0}}
        };
        ::poll(waits.data(), waits.size(), -1);
        if (waits[0].revents != 0 && !serve_events()) {
            hang_up(nullptr);
            return;
        }
        if (waits[2].revents != 0 && connection_ >= 0) {
            read();
        }
        if (waits[1].revents != 0) {
            accept();
        }
    }
}

/// False: quit.
bool Server::serve_events() {
    std::uint64_t count = 0;
    (void)!::read(wake_, &count, sizeof count);
    for (;;) {
        Event event;
        {
            const std::lock_guard lock(mutex_);
            if (events_.empty()) {
                return true;
            }
            event = events_.front();
            events_.pop_front();
        }
        if (std::holds_alternative<Quit>(event)) {
            return false;
        }
        if (const auto* stop = std::get_if<Stop>(&event)) {
            stop_ = *stop;
            if (stub_) {
                send(stub_->stopped(*stop));
            }
        } else if (std::holds_alternative<Running>(event)) {
            stop_.reset();
        } else if (const auto* how = std::get_if<Ended>(&event)) {
            guest_ended_ = true;
            if (stub_) {
                send(stub_->ended(*how));
            }
        }
    }
}

void Server::accept() {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) {
        return;
    }
    if (stub_ || guest_ended_) {
        spdlog::warn(
            "[{}/-] refused a debugger: {}", name_, stub_ ? "there is one" : "the guest has ended"
        );
        ::close(connection);
        return;
    }
    // One that does not read what we send must not keep us from ending.
    const ::timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const int on = 1;
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    spdlog::info("[{}/-] a debugger has come", name_);
    connection_ = connection;
    interrupted_it_ = !stop_;
    stub_.emplace(target_, stop_);
    if (!stop_) {
        target_.interrupt();
    }
}

void Server::read() {
    std::array<char, 4096> buffer;
    const ssize_t count = ::recv(connection_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        // Whoever only knocked has not said that the guest shall run.
        if (stub_->spoke() || interrupted_it_) {
            target_.release();
        }
        hang_up("has gone without a word");
        return;
    }
    send(stub_->feed({buffer.data(), static_cast<std::size_t>(count)}));
}

void Server::send(const std::string& bytes) {
    std::string_view rest = bytes;
    while (!rest.empty()) {
        const ssize_t count = ::send(connection_, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            if (!stub_->finished()) {
                target_.release();
            }
            hang_up("does not take what we say");
            return;
        }
        rest.remove_prefix(static_cast<std::size_t>(count));
    }
    if (stub_->finished()) {
        hang_up("has finished");
    }
}

void Server::hang_up(const char* why) {
    if (connection_ < 0) {
        return;
    }
    if (why != nullptr) {
        spdlog::info("[{}/-] the debugger {}", name_, why);
    }
    ::close(std::exchange(connection_, -1));
    stub_.reset();
}

}  // namespace vmm::debug
