// SPDX-License-Identifier: Apache-2.0
#include "control/server.hpp"

#include "control/connection.hpp"
#include "control/http.hpp"
#include "control/metrics.hpp"
#include "control/operation.hpp"
#include "control/request.hpp"

#include <fmt/format.h>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <list>
#include <thread>
#include <utility>
#include <vector>

namespace tools {
namespace {

using Clock = Connection::Clock;
using std::chrono::milliseconds;

constexpr std::size_t kMostClients = 16;  // of each kind
constexpr std::size_t kMostLine = 4096;
constexpr std::size_t kMostHead = 8192;
constexpr std::chrono::seconds kControlSilence{30};
constexpr std::chrono::seconds kMetricsSilence{5};
constexpr milliseconds kLook{2};    // while an operation goes on
constexpr milliseconds kRest{100};  // after nobody could be let in
constexpr std::string_view kLineEnd = "\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

enum class Kind : std::uint8_t { control, metrics };

struct Client {
    Client(Kind which, int fd)
        : kind(which)
        , connection(fd, which == Kind::control ? kMostLine : kMostHead) {}

    std::string_view end() const { return kind == Kind::control ? kLineEnd : kHeadEnd; }
    /// It is its turn to say something, so it must not be silent for ever.
    bool is_silent(Clock::time_point now) const {
        const auto limit = kind == Kind::control ? kControlSilence : kMetricsSilence;
        return !operation && now - connection.last_progress() >= limit;
    }
    /// It has said something that was not answered, and can take the answer.
    bool is_to_be_answered() const {
        return !operation && !connection.has_output() && connection.has_message(end());
    }

    Kind kind;
    Connection connection;
    std::optional<Operation> operation;  // what it waits for
    bool gone = false;
};

}  // namespace

struct Server::Impl {
    void run();
    int patience() const;
    void accept_from(const Listener& listener, Kind kind);
    void serve(Client& client, short events);
    void answer(Client& client);
    void answer_control(Client& client);
    void advance(Client& client);
    void drop_finished();

    std::string_view command;
    std::optional<Listener> control;
    std::optional<Listener> metrics;
    int bell = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);  // rung when the fleet has ended
    std::optional<Operation::Context> context;
    std::list<Client> clients;  // the thread's, as the next one
    Clock::time_point next_accept{};
    std::thread thread;
};

Server::Server(const ServerOptions& options)
    : impl_(std::make_unique<Impl>()) {
    impl_->command = options.command;
    if (!options.control.empty()) {
        impl_->control.emplace(
            ListenAddress{.path = options.control, .host = {}}, "the control socket"
        );
    }
    if (options.metrics) {
        impl_->metrics.emplace(*options.metrics, "the metrics endpoint");
    }
}

Server::~Server() {
    finish();
    ::close(impl_->bell);
}

void Server::start(FleetHandle& fleet, std::function<void()> stuck) {
    impl_->context.emplace(Operation::Context{fleet, impl_->command, std::move(stuck)});
    impl_->thread = std::thread([this] { impl_->run(); });
}

void Server::finish() {
    if (impl_->thread.joinable()) {
        const std::uint64_t one = 1;
        (void)!::write(impl_->bell, &one, sizeof one);
        impl_->thread.join();
    }
    impl_->control.reset();
    impl_->metrics.reset();
}

std::string Server::metrics_address() const {
    return impl_->metrics ? impl_->metrics->address().text() : std::string();
}

void Server::Impl::run() {
    ::pthread_setname_np(::pthread_self(), "cops-control");
    for (bool ended = false; !ended;) {
        const bool open = Clock::now() >= next_accept;
        std::vector<::pollfd> waits{
            {bell, POLLIN, 0},
            {control && open ? control->fd() : -1, POLLIN, 0},
            {metrics && open ? metrics->fd() : -1, POLLIN, 0},
        };
        const std::size_t fixed = waits.size();
        for (const Client& client : clients) {
            const bool listens = !client.operation && client.connection.wants_input();
            const int events =
                (listens ? POLLIN : 0) | (client.connection.has_output() ? POLLOUT : 0);
            waits.push_back({client.connection.fd(), static_cast<short>(events), 0});
        }
        ::poll(waits.data(), waits.size(), patience());
        ended = waits[0].revents != 0;
        std::size_t next = fixed;
        for (Client& client : clients) {
            serve(client, waits[next++].revents);
        }
        drop_finished();
        if (waits[1].revents != 0) {
            accept_from(*control, Kind::control);
        }
        if (waits[2].revents != 0) {
            accept_from(*metrics, Kind::metrics);
        }
    }
    clients.clear();
}

/// Milliseconds until something is to be done though nobody moves; -1: never.
int Server::Impl::patience() const {
    int least = -1;
    const auto now = Clock::now();
    const auto at_most = [&least](milliseconds time) {
        const int count = static_cast<int>(std::max(time, milliseconds(0)).count());
        least = least < 0 ? count : std::min(least, count);
    };
    if (now < next_accept) {
        at_most(std::chrono::ceil<milliseconds>(next_accept - now));
    }
    for (const Client& client : clients) {
        if (client.is_to_be_answered()) {
            at_most(milliseconds(0));
        } else if (client.operation) {
            at_most(kLook);
        } else {
            const auto limit = client.kind == Kind::control ? kControlSilence : kMetricsSilence;
            const auto left = client.connection.last_progress() + limit - now;
            at_most(std::chrono::ceil<milliseconds>(left));
        }
    }
    return least;
}

void Server::Impl::accept_from(const Listener& listener, Kind kind) {
    const int fd = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        // It has gone again; or we have no descriptor left, and it would be there again at once.
        next_accept = Clock::now() + kRest;
        return;
    }
    Client& client = clients.emplace_back(kind, fd);
    const auto same = [kind](const Client& other) { return other.kind == kind; };
    if (std::cmp_greater(std::ranges::count_if(clients, same), kMostClients)) {
        const Refusal busy{
            "busy", fmt::format("there are {} clients already; come back later", kMostClients)
        };
        client.connection.send(kind == Kind::control ? refusal_line(busy) : http_busy());
        clients.pop_back();
    }
}

/// What one client wants now. An error of ours costs that client its connection, and nobody else.
void Server::Impl::serve(Client& client, short events) {
    try {
        if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
            client.gone = (events & POLLIN) == 0;
        }
        if ((events & POLLIN) != 0) {
            client.gone = !client.connection.receive();
        }
        if ((events & POLLOUT) != 0) {
            client.gone = !client.connection.flush() || client.gone;
        }
        if (client.gone) {
            return;
        }
        if (client.operation) {
            advance(client);
        } else if (client.is_to_be_answered()) {
            answer(client);
        }
    } catch (const std::exception&) {
        client.gone = true;
    }
}

/// One message at a time, so that nobody who sends many keeps the others waiting.
void Server::Impl::answer(Client& client) {
    Connection& connection = client.connection;
    if (client.kind == Kind::control) {
        answer_control(client);
    } else if (connection.is_overlong(kHeadEnd)) {
        connection.send(http_overlong());
        connection.close_when_sent();
    } else if (const auto head = connection.take_message(kHeadEnd)) {
        connection.send(http_answer(*head, [this] { return metrics_text(context->fleet.report()); })
        );
        connection.close_when_sent();
    }
}

void Server::Impl::answer_control(Client& client) {
    Connection& connection = client.connection;
    if (connection.is_overlong(kLineEnd)) {
        connection.send(
            refusal_line({"bad_request", fmt::format("the line has more than {} bytes", kMostLine)})
        );
        connection.close_when_sent();
        return;
    }
    const auto line = connection.take_message(kLineEnd);
    if (!line) {
        return;
    }
    auto request = parse_request(*line);
    if (!request) {
        connection.send(refusal_line(request.error()));
        return;
    }
    client.operation.emplace(*context, std::move(*request));
    advance(client);
}

void Server::Impl::advance(Client& client) {
    if (const auto reply = client.operation->advance(Clock::now())) {
        client.operation.reset();
        client.connection.send(*reply);
    }
}

void Server::Impl::drop_finished() {
    const auto now = Clock::now();
    clients.remove_if([now](const Client& client) {
        const bool done =
            client.connection.is_done() && !client.operation && !client.is_to_be_answered();
        return client.gone || done || client.is_silent(now);
    });
}

}  // namespace tools
