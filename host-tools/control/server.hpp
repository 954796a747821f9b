// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/listener.hpp"
#include "run/fleet_handle.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tools {

struct ServerOptions {
    std::string control;                   ///< Path of the control socket; empty: none.
    std::optional<ListenAddress> metrics;  ///< Where metrics are served; nullopt: nowhere.
    std::string_view command;              ///< "run" or "up", for the report.
};

/// Answers the clients of the control socket and of the metrics endpoint, on a thread of its own
/// off the workers (docs/design/control.md). Clients are hostile: messages, clients and the time of
/// silent ones are bounded, and nothing here waits for one of them.
class Server {
public:
    /// Opens the sockets. Throws Failure (configuration).
    explicit Server(const ServerOptions& options);
    /// As finish().
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Serves `fleet`, which has started and outlives finish(). `stuck` is called, from the thread,
    /// once a second while a guest that was ended by force does not leave: perhaps its output finds
    /// no reader.
    void start(FleetHandle& fleet, std::function<void()> stuck);
    /// The fleet has ended: answers who waits for that, and closes.
    void finish();

    /// Where the metrics are; empty: nowhere. With the port that the host chose.
    std::string metrics_address() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace tools
