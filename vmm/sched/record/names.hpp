// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/record/record.hpp"

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace vmm::sched {

// What recorded values are called in files, by value.
inline constexpr std::array<std::string_view, 7> kEventNames{
    "add", "remove", "tenant", "ready", "claim", "ran", "idle"
};
inline constexpr std::array<std::string_view, 7> kExitNames{
    "interrupted", "idle", "yielded", "stopped", "ended", "counted", "breakpoint"
};
inline constexpr std::array<std::string_view, 4> kWakeNames{
    "completion", "interrupt", "timer", "call"
};

template <class Enum>
constexpr std::string_view name_in(std::span<const std::string_view> names, Enum value) {
    return names[static_cast<std::size_t>(value)];
}

/// The value of that name; nothing when there is none.
template <class Enum>
std::optional<Enum> value_in(std::span<const std::string_view> names, std::string_view name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name) {
            return static_cast<Enum>(i);
        }
    }
    return std::nullopt;
}

}  // namespace vmm::sched
