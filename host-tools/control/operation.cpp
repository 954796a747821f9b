// SPDX-License-Identifier: Apache-2.0
#include "control/operation.hpp"

#include "options/tenant_keys.hpp"
#include "options/values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace tools {
namespace {

constexpr std::chrono::seconds kPauseTime{10};
// A guest that was ended leaves its workers at once, unless one of them waits for a reader.
constexpr std::chrono::seconds kLeaveTime{1};

bool has_ended(const FleetHandle& fleet, const ChosenGuest& one) {
    return fleet.state(one.guest) == vmm::GuestState::ended;
}

}  // namespace

std::optional<std::string> Operation::advance(Clock::time_point now) {
    if (!begun_) {
        begun_ = true;
        if (const auto refusal = begin(context_.fleet.report(), now)) {
            return refusal_line(*refusal);
        }
    }
    switch (request_.verb) {
    case Verb::ps:
        return ps_reply(context_.fleet.report());
    case Verb::stats:
        return stats_reply(
            context_.fleet.report(), {.command = context_.command, .exit_code = std::nullopt}
        );
    case Verb::resume:
        return done_reply();
    case Verb::tenant:
        return tenant_reply(context_.fleet.report(), guests_);
    case Verb::pause:
        return advance_pause(now);
    case Verb::stop:
        return advance_stop(now);
    }
    return std::nullopt;
}

std::optional<Refusal> Operation::begin(const vmm::FleetReport& report, Clock::time_point now) {
    if (const auto refusal = choose_guests(report)) {
        return refusal;
    }
    switch (request_.verb) {
    case Verb::ps:
    case Verb::stats:
        break;
    case Verb::pause:
        deadline_ = now + kPauseTime;
        return set_paused(report, true);
    case Verb::resume:
        return set_paused(report, false);
    case Verb::tenant:
        return set_tenants(report);
    case Verb::stop:
        deadline_ = now + request_.timeout;
        for (ChosenGuest& one : guests_) {
            const bool asks = request_.timeout.count() != 0;
            if (!has_ended(context_.fleet, one)
                && !(asks && context_.fleet.ask_power_off(one.guest))) {
                force(one, now);
            }
        }
        break;
    }
    return std::nullopt;
}

/// All that have not ended, or those named.
std::optional<Refusal> Operation::choose_guests(const vmm::FleetReport& report) {
    if (request_.guests.empty()) {
        for (std::size_t i = 0; i < report.guests.size(); ++i) {
            if (report.guests[i].state != vmm::GuestState::ended) {
                guests_.push_back({.guest = i});
            }
        }
        return std::nullopt;
    }
    std::vector<std::string_view> names;
    for (const vmm::GuestReport& guest : report.guests) {
        names.emplace_back(guest.outcome.name);
    }
    for (const std::string& name : request_.guests) {
        const auto found = std::ranges::find(names, name);
        if (found == names.end()) {
            return Refusal{
                "no_such_guest",
                fmt::format("there is no guest '{}'; there are: {}", name, fmt::join(names, ", "))
            };
        }
        const auto number = static_cast<std::size_t>(found - names.begin());
        if (std::ranges::find(guests_, number, &ChosenGuest::guest) == guests_.end()) {
            guests_.push_back({.guest = number});
        }
    }
    return std::nullopt;
}

/// Each guest's change is whole or not done at all; those before it in the request stay done.
std::optional<Refusal> Operation::set_tenants(const vmm::FleetReport& report) {
    for (const ChosenGuest& one : guests_) {
        const vmm::GuestReport& guest = report.guests.at(one.guest);
        if (guest.state == vmm::GuestState::ended) {
            return Refusal{"refused", fmt::format("guest {} has ended", guest.outcome.name)};
        }
    }
    for (const ChosenGuest& one : guests_) {
        vmm::Tenant tenant = report.guests.at(one.guest).tenant;
        try {
            for (const TenantChange& change : request_.changes) {
                set_tenant_key(tenant, change.key, change.value);
            }
        } catch (const BadValue& bad) {
            return Refusal{"bad_value", fmt::format("set: {}", bad.what())};
        }
        if (const auto set = context_.fleet.set_tenant(one.guest, tenant); !set) {
            return Refusal{"refused", set.error().message};
        }
    }
    return std::nullopt;
}

/// One of those named that has ended already is an error before anything is done; one that ends
/// meanwhile needs nothing done.
std::optional<Refusal> Operation::set_paused(const vmm::FleetReport& report, bool paused) {
    for (const ChosenGuest& one : guests_) {
        const vmm::GuestReport& guest = report.guests.at(one.guest);
        if (guest.state == vmm::GuestState::ended) {
            return Refusal{"refused", fmt::format("guest {} has ended", guest.outcome.name)};
        }
    }
    for (const ChosenGuest& one : guests_) {
        const auto done =
            paused ? context_.fleet.pause(one.guest) : context_.fleet.resume(one.guest);
        if (!done && !has_ended(context_.fleet, one)) {
            return Refusal{"refused", done.error().message};
        }
    }
    return std::nullopt;
}

std::optional<std::string> Operation::advance_pause(Clock::time_point now) {
    for (const ChosenGuest& one : guests_) {
        const vmm::GuestState state = context_.fleet.state(one.guest);
        const bool settled = state == vmm::GuestState::paused || state == vmm::GuestState::ended;
        if (!settled && now < deadline_) {
            return std::nullopt;
        }
        if (!settled) {
            return refusal_line(
                {"timeout",
                 fmt::format(
                     "guest {} has not paused in {} s, and will as soon as it can: {}",
                     context_.fleet.report().guests.at(one.guest).outcome.name,
                     kPauseTime.count(),
                     state == vmm::GuestState::held ? "a debugger holds it"
                                                    : "perhaps its output waits for a reader"
                 )}
            );
        }
    }
    return done_reply();
}

std::optional<std::string> Operation::advance_stop(Clock::time_point now) {
    const auto ended = [this](const ChosenGuest& one) { return has_ended(context_.fleet, one); };
    if (std::ranges::all_of(guests_, ended)) {
        return stop_reply(context_.fleet.report(), guests_);
    }
    if (now >= deadline_) {
        for (ChosenGuest& one : guests_) {
            if (!one.forced && !ended(one)) {
                force(one, now);
            }
        }
    }
    if (stuck_at_ && now >= *stuck_at_) {
        stuck_at_ = now + kLeaveTime;
        context_.stuck();
    }
    return std::nullopt;
}

void Operation::force(ChosenGuest& guest, Clock::time_point now) {
    guest.forced = true;
    context_.fleet.stop(guest.guest);
    stuck_at_ = now + kLeaveTime;
}

}  // namespace tools
