// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/replies.hpp"
#include "control/request.hpp"
#include "run/fleet_handle.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tools {

/// One request being carried out. It never waits: whoever owns it lets it advance until there is a
/// reply. One that is dropped before leaves its guests as they are then.
class Operation {
public:
    using Clock = std::chrono::steady_clock;

    /// How the operation reaches the world; it outlives the operation.
    struct Context {
        FleetHandle& fleet;
        std::string_view command;     ///< "run" or "up".
        std::function<void()> stuck;  ///< As of Server::start().
    };

    Operation(const Context& context, Request request)
        : context_(context)
        , request_(std::move(request)) {}

    /// The reply, or nothing yet: ask again after a few milliseconds. `now` never decreases.
    std::optional<std::string> advance(Clock::time_point now);

private:
    std::optional<Refusal> begin(const vmm::FleetReport& report, Clock::time_point now);
    std::optional<Refusal> choose_guests(const vmm::FleetReport& report);
    std::optional<Refusal> set_tenants(const vmm::FleetReport& report);
    std::optional<Refusal> set_paused(const vmm::FleetReport& report, bool paused);
    std::optional<std::string> advance_pause(Clock::time_point now);
    std::optional<std::string> advance_stop(Clock::time_point now);
    void force(ChosenGuest& guest, Clock::time_point now);

    const Context& context_;
    Request request_;
    bool begun_ = false;
    std::vector<ChosenGuest> guests_;  // those that it is for
    Clock::time_point deadline_;       // of pause; of stop: when guests are ended by force
    std::optional<Clock::time_point> stuck_at_;
};

}  // namespace tools
