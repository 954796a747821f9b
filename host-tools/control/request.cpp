// SPDX-License-Identifier: Apache-2.0
#include "control/request.hpp"

#include "options/tenant_keys.hpp"
#include "options/values.hpp"
#include "support/suggest.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 6> kVerbs{
    "ps", "pause", "resume", "stop", "stats", "tenant"
};

/// What stands in a request, short enough to be shown.
std::string shown(const Json& value) {
    constexpr std::size_t kMost = 60;
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > kMost) {
        text.resize(kMost);
        text += "...";
    }
    return text;
}

std::unexpected<Refusal> refuse(std::string_view code, std::string message) {
    return std::unexpected(Refusal{code, std::move(message)});
}

std::expected<Verb, Refusal> parse_verb(const Json& request) {
    const auto found = request.find("verb");
    if (found == request.end()) {
        return refuse(
            "bad_request",
            fmt::format("the request has no \"verb\"; accepted: {}", enumerate(kVerbs))
        );
    }
    const auto* const name = found->get_ptr<const std::string*>();
    const auto* const verb =
        name == nullptr ? kVerbs.end() : std::ranges::find(kVerbs, std::string_view(*name));
    if (verb == kVerbs.end()) {
        return refuse(
            "unknown_verb",
            fmt::format(
                "the verb {} is not known; accepted: {}{}",
                shown(*found),
                enumerate(kVerbs),
                name == nullptr ? "" : did_you_mean(*name, kVerbs)
            )
        );
    }
    return static_cast<Verb>(verb - kVerbs.begin());
}

/// Keys beside "verb".
std::span<const std::string_view> keys_of(Verb verb) {
    static constexpr std::array<std::string_view, 2> kKeys{"guests", "timeout"};
    static constexpr std::array<std::string_view, 2> kTenantKeys{"guests", "set"};
    switch (verb) {
    case Verb::ps:
    case Verb::stats:
        return {};
    case Verb::pause:
    case Verb::resume:
        return std::span(kKeys).first(1);
    case Verb::stop:
        return kKeys;
    case Verb::tenant:
        return kTenantKeys;
    }
    return {};
}

std::optional<Refusal> set_guests(const Json& value, Request& request) {
    if (!value.is_array() || value.empty()
        || !std::ranges::all_of(value, [](const Json& name) { return name.is_string(); })) {
        return Refusal{
            "bad_value",
            fmt::format(
                "guests: {} is not accepted; give an array of guests' names, or leave it out for "
                "all of them",
                shown(value)
            )
        };
    }
    request.guests = value.get<std::vector<std::string>>();
    return std::nullopt;
}

std::optional<Refusal> set_timeout(const Json& value, Request& request) {
    // Compared as it is: what is not a number, or is none at all, is in no range.
    const double seconds = value.is_number() ? value.get<double>() : -1;
    if (!(seconds >= 0 && seconds <= static_cast<double>(kMaxPowerOffTime.count()))) {
        return Refusal{
            "bad_value",
            fmt::format(
                "timeout: {} is not accepted; give seconds from 0 to {}",
                shown(value),
                kMaxPowerOffTime.count()
            )
        };
    }
    request.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
    return std::nullopt;
}

std::optional<Refusal> set_changes(const Json& value, Request& request) {
    if (!value.is_object() || value.empty()) {
        return Refusal{
            "bad_value",
            fmt::format(
                "set: {} is not accepted; give an object with some of {}",
                shown(value),
                enumerate(tenant_keys())
            )
        };
    }
    vmm::Tenant scratch;
    for (const auto& [key, wanted] : value.items()) {
        TenantChange change{.key = key, .value = std::string(kNoLimit)};
        if (!wanted.is_null()) {
            change.value = wanted.is_number_integer() ? wanted.dump() : shown(wanted);
        }
        try {
            set_tenant_key(scratch, change.key, change.value);
        } catch (const BadValue& bad) {
            return Refusal{"bad_value", fmt::format("set: {}", bad.what())};
        }
        request.changes.push_back(std::move(change));
    }
    return std::nullopt;
}

std::optional<Refusal> set_key(std::string_view key, const Json& value, Request& request) {
    if (key == "guests") {
        return set_guests(value, request);
    }
    return key == "set" ? set_changes(value, request) : set_timeout(value, request);
}

/// What only the whole request shows.
std::optional<Refusal> check_whole(const Request& request) {
    if (request.verb == Verb::tenant && (request.guests.empty() || request.changes.empty())) {
        return Refusal{
            "bad_request",
            "tenant needs both: \"guests\", an array of names, and \"set\", an object with what "
            "shall change"
        };
    }
    return std::nullopt;
}

}  // namespace

std::span<const std::string_view> verb_names() {
    return kVerbs;
}

std::string_view name_of(Verb verb) {
    return kVerbs.at(static_cast<std::size_t>(verb));
}

std::expected<Request, Refusal> parse_request(std::string_view line) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) {
        return refuse(
            "bad_request", "the line is not a JSON object; accepted: such as {\"verb\":\"ps\"}"
        );
    }
    const auto verb = parse_verb(json);
    if (!verb) {
        return std::unexpected(verb.error());
    }
    Request request{.verb = *verb, .guests = {}};
    const auto keys = keys_of(*verb);
    for (const auto& [key, value] : json.items()) {
        if (key == "verb") {
            continue;
        }
        if (std::ranges::find(keys, key) == keys.end()) {
            std::vector<std::string_view> accepted{"verb"};
            accepted.insert(accepted.end(), keys.begin(), keys.end());
            return refuse(
                "unknown_key",
                fmt::format(
                    "{} has no key {}; accepted: {}",
                    name_of(*verb),
                    shown(key),
                    enumerate(accepted)
                )
            );
        }
        if (const auto bad = set_key(key, value, request)) {
            return std::unexpected(*bad);
        }
    }
    if (const auto bad = check_whole(request)) {
        return std::unexpected(*bad);
    }
    return request;
}

std::string request_line(const Request& request) {
    Json json{{"verb", name_of(request.verb)}};
    if (!request.guests.empty()) {
        json["guests"] = request.guests;
    }
    if (request.verb == Verb::stop) {
        json["timeout"] = static_cast<double>(request.timeout.count()) / 1000;
    }
    for (const TenantChange& change : request.changes) {
        // What is no number was refused, or takes a limit away.
        json["set"][change.key] =
            change.value == kNoLimit ? Json(nullptr) : Json::parse(change.value, nullptr, false);
    }
    return json.dump() + "\n";
}

std::string refusal_line(const Refusal& refusal) {
    const Json json{
        {"ok", false}, {"error", {{"code", refusal.code}, {"message", refusal.message}}}
    };
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tools
