// SPDX-License-Identifier: Apache-2.0
#include "options/fleet_file.hpp"

#include "options/values.hpp"
#include "support/failure.hpp"
#include "support/suggest.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace tools {
namespace {

/// A fleet file being read: knows what to say where.
class Reader {
public:
    Reader(const std::filesystem::path& path, const Catalogue& catalogue)
        : path_(path)
        , context_{catalogue, path.parent_path()} {
        // Paths of the file count from its folder, wherever the command is run.
        if (context_.base.empty()) {
            context_.base = ".";
        }
    }

    FleetOptions read(std::string_view text) {
        toml::table document;
        try {
            document = toml::parse(text, path_.string());
        } catch (const toml::parse_error& error) {
            throw at(error.source(), error.description());
        }
        FleetOptions fleet;
        auto names = option_names(fleet_options(), Place::fleet_file);
        names.push_back("guest");
        for (const auto& [key, node] : document) {
            if (key.str() == "guest") {
                read_guests(node, fleet);
            } else {
                read_key(key, node, fleet_options(), names, "at the top of a fleet", fleet);
            }
        }
        if (fleet.guests.empty()) {
            throw configuration_failure(
                fmt::format("{}: no [[guest]]; a fleet has at least one", path_.string())
            );
        }
        return fleet;
    }

private:
    Failure at(const toml::source_region& source, std::string_view what) const {
        return configuration_failure(
            fmt::format("{}:{}: {}", path_.string(), source.begin.line, what)
        );
    }

    void read_guests(const toml::node& node, FleetOptions& fleet) {
        const toml::array* array = node.as_array();
        if (array == nullptr || !array->is_homogeneous<toml::table>()) {
            throw at(node.source(), "'guest' is not a table of tables; write [[guest]]");
        }
        const auto names = option_names(guest_options(), Place::fleet_file);
        for (const toml::node& element : *array) {
            const toml::table& table = *element.as_table();
            GuestOptions guest;
            guest.config.name.clear();
            for (const auto& [key, value] : table) {
                read_key(key, value, guest_options(), names, "in a [[guest]]", guest);
            }
            check_guest(table, guest, fleet);
            fleet.guests.push_back(std::move(guest));
        }
    }

    void
    check_guest(const toml::table& table, GuestOptions& guest, const FleetOptions& fleet) const {
        if (guest.config.name.empty()) {
            guest.config.name = fmt::format("guest{}", fleet.guests.size() + 1);
        }
        const auto same_name = [&guest](const GuestOptions& other) {
            return other.config.name == guest.config.name;
        };
        if (std::ranges::any_of(fleet.guests, same_name)) {
            throw at(
                table.source(),
                fmt::format("two guests are called '{}'; give each its own name", guest.config.name)
            );
        }
        if (guest.app.empty() == guest.config.kernel.empty()) {
            throw at(
                table.source(),
                fmt::format(
                    "guest '{}' has {}; give one of the two",
                    guest.config.name,
                    guest.app.empty() ? "neither 'app' nor 'kernel'" : "both 'app' and 'kernel'"
                )
            );
        }
        if (const auto wrong = vmm::contradiction(guest.config.tenant, guest.config.cpus);
            !wrong.empty()) {
            throw at(table.source(), fmt::format("guest '{}': {}", guest.config.name, wrong));
        }
        if (guest.app.empty() && (!guest.arguments.empty() || !guest.environment.empty())) {
            throw at(
                table.source(),
                fmt::format(
                    "guest '{}' has a kernel of its own, so 'args' and 'env' mean nothing to it",
                    guest.config.name
                )
            );
        }
    }

    template <class Target>
    void read_key(
        const toml::key& key,
        const toml::node& node,
        std::span<const Option<Target>> options,
        std::span<const std::string_view> names,
        std::string_view where,
        Target& target
    ) const {
        const auto option = std::ranges::find_if(options, [&key](const Option<Target>& candidate) {
            return candidate.name == key.str() && candidate.place != Place::command_line;
        });
        if (option == options.end()) {
            throw at(
                key.source(),
                fmt::format(
                    "unknown key '{}' {}{}; accepted: {}",
                    key.str(),
                    where,
                    did_you_mean(key.str(), names),
                    enumerate(names)
                )
            );
        }
        if (option->kind != ValueKind::list) {
            set(*option, node, target);
            return;
        }
        const toml::array* array = node.as_array();
        if (array == nullptr) {
            throw wrong_type(*option, node, "an array of strings");
        }
        for (const toml::node& element : *array) {
            set(*option, element, target);
        }
    }

    template <class Target>
    Failure wrong_type(
        const Option<Target>& option, const toml::node& node, std::string_view wanted
    ) const {
        return at(node.source(), fmt::format("{}: give {}", option.name, wanted));
    }

    template <class Target>
    void set(const Option<Target>& option, const toml::node& node, Target& target) const {
        std::string value;
        if (const auto* text = node.as_string();
            text != nullptr && option.kind != ValueKind::flag && option.kind != ValueKind::number) {
            value = text->get();
        } else if (const auto* number = node.as_integer();
                   number != nullptr
                   && (option.kind == ValueKind::number || option.kind == ValueKind::size)) {
            value = std::to_string(number->get());
        } else if (const auto* flag = node.as_boolean();
                   flag != nullptr && option.kind == ValueKind::flag) {
            value = flag->get() ? "true" : "false";
        } else {
            throw wrong_type(option, node, wanted_type(option.kind));
        }
        try {
            option.set(target, value, context_);
        } catch (const BadValue& bad) {
            throw at(node.source(), fmt::format("{}: {}", option.name, bad.what()));
        }
    }

    static std::string_view wanted_type(ValueKind kind) {
        switch (kind) {
        case ValueKind::flag:
            return "true or false";
        case ValueKind::number:
            return "a whole number, without quotes";
        case ValueKind::size:
            return "a size such as \"256M\", or a whole number of MiB";
        case ValueKind::list:
            return "an array of strings";
        case ValueKind::text:
            break;
        }
        return "a string in quotes";
    }

    std::filesystem::path path_;
    ValueContext context_;
};

}  // namespace

FleetOptions
parse_fleet(std::string_view text, const std::filesystem::path& path, const Catalogue& catalogue) {
    return Reader(path, catalogue).read(text);
}

FleetOptions read_fleet_file(const std::filesystem::path& path, const Catalogue& catalogue) {
    std::error_code error;
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file || std::filesystem::is_directory(path, error)) {
        const int why = !file && errno != 0 ? errno : EISDIR;
        throw configuration_failure(fmt::format(
            "cannot read fleet {}: {} ('cops up --example' prints one)",
            path.string(),
            std::strerror(why)
        ));
    }
    const std::string text(std::istreambuf_iterator<char>(file), {});
    return parse_fleet(text, path, catalogue);
}

}  // namespace tools
