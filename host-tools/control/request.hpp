// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tools {

/// How long a guest that was asked to power off has before it is ended, unless somebody says
/// otherwise.
inline constexpr std::chrono::seconds kPowerOffTime{5};
/// The longest that somebody may say.
inline constexpr std::chrono::seconds kMaxPowerOffTime{3600};

/// What a client of the control socket may ask for.
enum class Verb : std::uint8_t { ps, pause, resume, stop, stats, tenant };

/// A key of a tenant and what it shall be, as tools::set_tenant_key() takes them.
struct TenantChange {
    std::string key;
    std::string value;
};

/// One request (docs/design/control.md).
struct Request {
    Verb verb = Verb::ps;
    std::vector<std::string> guests;                    ///< By name; empty: all.
    std::chrono::milliseconds timeout = kPowerOffTime;  ///< Of stop.
    std::vector<TenantChange> changes;                  ///< Of tenant, in the order given.
};

/// Why a request is not carried out.
struct Refusal {
    std::string_view code;  ///< For machines, one of those in docs/design/control.md.
    std::string message;    ///< For people: what is wrong, and what would be accepted.
};

/// Names of the verbs, in the order of Verb.
std::span<const std::string_view> verb_names();
std::string_view name_of(Verb verb);

/// One line that a client sent, without its end. Hostile: anything may stand there.
std::expected<Request, Refusal> parse_request(std::string_view line);
/// The line for a request, with its end.
std::string request_line(const Request& request);

/// The line that refuses a request, with its end.
std::string refusal_line(const Refusal& refusal);

}  // namespace tools
