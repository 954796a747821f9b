// SPDX-License-Identifier: Apache-2.0
#include "sched/record/decision_reader.hpp"

#include "sched/record/decision_writer.hpp"
#include "sched/record/names.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace vmm::sched {
namespace {

using Json = nlohmann::json;

/// The header of a thousand guests has room; other lines have some hundred bytes.
constexpr std::size_t kLongestLine = std::size_t{1} << 20;

/// Takes values out of one line. The first that is missing or of another kind or range is
/// remembered, and what is taken after it means nothing.
class Fields {
public:
    explicit Fields(const Json& line)
        : line_(line) {}

    const std::string& wrong() const noexcept { return wrong_; }
    bool has(const char* key) const { return line_.contains(key); }
    bool null(const char* key) const { return line_.contains(key) && line_.at(key).is_null(); }

    template <class T>
    void take(const char* key, T& to) {
        const auto found = line_.find(key);
        if (found == line_.end()) {
            return miss(key);
        }
        if constexpr (std::is_same_v<T, bool>) {
            found->is_boolean() ? void(to = found->get<bool>()) : miss(key);
        } else if constexpr (std::is_same_v<T, std::string>) {
            found->is_string() ? void(to = found->get<std::string>()) : miss(key);
        } else {
            number(*found, to) ? void() : miss(key);
        }
    }
    template <class Enum>
    void take(const char* key, std::span<const std::string_view> names, Enum& to) {
        std::string name;
        take(key, name);
        const auto value = value_in<Enum>(names, name);
        value ? void(to = *value) : miss(key);
    }
    void take(const char* key, VcpuId& to) {
        const auto found = line_.find(key);
        const bool fits = found != line_.end() && found->is_array() && found->size() == 3
                          && number((*found)[0], to.domain) && number((*found)[1], to.guest)
                          && number((*found)[2], to.vcpu);
        if (!fits) {
            miss(key);
        }
    }
    void take_hexadecimal(const char* key, std::uint64_t& to) {
        std::string text;
        take(key, text);
        char* end = nullptr;
        to = std::strtoull(text.c_str(), &end, 16);
        if (text.empty() || *end != '\0') {
            miss(key);
        }
    }
    void take(const char* key, TenantTerms& to) {
        const auto found = line_.find(key);
        if (found == line_.end() || !found->is_object()) {
            return miss(key);
        }
        Fields terms(*found);
        terms.take("base_level", to.base_level);
        terms.take("ceiling", to.ceiling);
        terms.take("weight", to.weight);
        terms.take("budget_rate", to.budget_rate);
        terms.take("budget_burst_ns", to.budget_burst_ns);
        terms.take("share", to.share);
        if (!terms.wrong().empty()) {
            miss(terms.wrong());
        }
    }

private:
    template <class T>
    static bool number(const Json& value, T& to) {
        if (!value.is_number_unsigned()
            || value.get<std::uint64_t>() > std::numeric_limits<T>::max()) {
            return false;
        }
        to = static_cast<T>(value.get<std::uint64_t>());
        return true;
    }
    void miss(std::string_view key) {
        if (wrong_.empty()) {
            wrong_ = key;
        }
    }

    const Json& line_;
    std::string wrong_;
};

Record read_event(Fields& from) {
    Event event;
    from.take("t", event.time_ns);
    from.take("event", kEventNames, event.kind);
    from.take("vcpu", event.id);
    switch (event.kind) {
    case EventKind::add:
    case EventKind::tenant:
        from.take("terms", event.terms);
        break;
    case EventKind::remove:
        break;
    case EventKind::ran:
    case EventKind::idle:
        from.take("worker", event.worker);
        from.take("ran_ns", event.ran_ns);
        [[fallthrough]];
    case EventKind::ready:
    case EventKind::claim:
        from.take("level", event.level);
        from.take("awaited", event.awaited);
        break;
    }
    return event;
}

Record read_pick(Fields& from) {
    PickRecord pick;
    from.take("t", pick.time_ns);
    from.take("worker", pick.worker);
    if (!from.null("pick")) {
        Decision& decision = pick.decision.emplace();
        from.take("pick", decision.id);
        from.take("level", decision.level);
        from.take("slice_ns", decision.slice_ns);
        from.take("due", decision.due);
    }
    return pick;
}

Record read_preempt(Fields& from) {
    PreemptRecord preempt;
    from.take("t", preempt.time_ns);
    if (!from.null("preempt")) {
        Preemption& preemption = preempt.preemption.emplace();
        from.take("preempt", preemption.victim);
        from.take("worker", preemption.worker);
        from.take("level", preemption.level);
        from.take("ask", preemption.ask);
    }
    return preempt;
}

Record read_look(Fields& from) {
    LookRecord look;
    from.take("t", look.time_ns);
    from.take("look", look.id);
    if (from.has("worker")) {
        from.take("worker", look.worker);
        from.take("exit", kExitNames, look.exit);
        from.take("off_ns", look.off_ns);
    }
    from.take("level", look.sample.level);
    from.take("critical", look.sample.critical);
    from.take_hexadecimal("board", look.sample.board);
    from.take_hexadecimal("line", look.sample.line);
    from.take_hexadecimal("wake_pending", look.sample.wake_pending);
    from.take("running", look.sample.running);
    return look;
}

Record read_wake(Fields& from) {
    WakeRecord wake;
    from.take("t", wake.time_ns);
    from.take("wake", wake.id);
    from.take("cause", kWakeNames, wake.cause);
    from.take("level", wake.level);
    return wake;
}

struct Kind {
    const char* key;  ///< That lines of this kind have, and no others.
    Record (*read)(Fields& from);
};
constexpr std::array kKinds{
    Kind{"event", read_event},
    Kind{"pick", read_pick},
    Kind{"preempt", read_preempt},
    Kind{"look", read_look},
    Kind{"wake", read_wake},
};

}  // namespace

Result<DecisionReader> DecisionReader::open(const std::string& path) {
    errno = 0;
    DecisionReader reader(path);
    if (!reader.file_) {
        return fail(
            ErrorKind::configuration,
            fmt::format("cannot read {}: {}", path, std::strerror(errno != 0 ? errno : EIO))
        );
    }
    if (auto read = reader.read_header(); !read) {
        return std::unexpected(std::move(read.error()));
    }
    return reader;
}

/// Nothing: the file ends here. What it returns is good until the next call.
Result<std::optional<std::string_view>> DecisionReader::read_line() {
    text_.resize(kLongestLine);
    file_.getline(text_.data(), static_cast<std::streamsize>(text_.size()));
    ++line_;
    const auto length = static_cast<std::size_t>(file_.gcount());
    if (file_.fail()) {
        if (length != 0) {
            return bad(fmt::format("a line of more than {} bytes", kLongestLine - 1));
        }
        return std::nullopt;
    }
    // The end of the line counts where there is one.
    return std::string_view(text_.data(), file_.eof() ? length : length - 1);
}

Result<void> DecisionReader::read_header() {
    const auto text = read_line();
    if (!text) {
        return std::unexpected(text.error());
    }
    const Json header = Json::parse(text->value_or(""), nullptr, false);
    Fields from(header);
    unsigned version = 0;
    from.take("cops_decisions", version);
    if (!from.wrong().empty()) {
        return bad("no decisions that 'cops --record-decisions' wrote");
    }
    if (version != kDecisionsVersion) {
        return bad(fmt::format(
            "format {} of recorded decisions; this cops reads {}", version, kDecisionsVersion
        ));
    }
    from.take("policy", facts_.policy);
    from.take("quantum_ns", facts_.of_policy.quantum_ns);
    from.take("workers", facts_.workers);
    from.take("grace_ns", facts_.grace_ns);
    from.take("section_ns", facts_.section_ns);
    from.take("tick_ns", facts_.tick_ns);
    if (!from.wrong().empty()) {
        return bad(fmt::format("the header's '{}' is missing or out of range", from.wrong()));
    }
    const auto guests = header.find("guests");
    if (guests == header.end() || !guests->is_array()) {
        return bad("the header has no guests");
    }
    for (const Json& one : *guests) {
        RunFacts::GuestFacts& guest = facts_.guests.emplace_back();
        Fields of_guest(one);
        of_guest.take("domain", guest.id.domain);
        of_guest.take("guest", guest.id.guest);
        of_guest.take("name", guest.name);
        of_guest.take("vcpus", guest.vcpus);
        of_guest.take("terms", guest.terms);
        if (!of_guest.wrong().empty()) {
            return bad(fmt::format("a guest's '{}' is missing or out of range", of_guest.wrong()));
        }
    }
    return {};
}

Result<std::optional<Record>> DecisionReader::next() {
    while (!complete_) {
        const auto text = read_line();
        if (!text) {
            return std::unexpected(text.error());
        }
        if (!*text) {
            break;
        }
        const Json line = Json::parse(**text, nullptr, false);
        if (!line.is_object()) {
            return bad("no line of recorded decisions");
        }
        Fields from(line);
        if (from.has("lost")) {
            std::uint64_t count = 0;
            from.take("lost", count);
            lost_ += count;
            continue;
        }
        if (from.has("end")) {
            complete_ = true;
            continue;
        }
        for (const Kind& kind : kKinds) {
            if (!from.has(kind.key)) {
                continue;
            }
            const Record record = kind.read(from);
            if (!from.wrong().empty()) {
                return bad(fmt::format("'{}' is missing or out of range", from.wrong()));
            }
            return record;
        }
        return bad("a line of no known kind");
    }
    return std::nullopt;
}

std::unexpected<Error> DecisionReader::bad(std::string_view what) const {
    return fail(ErrorKind::configuration, fmt::format("{}:{}: {}", path_, line_, what));
}

}  // namespace vmm::sched
