// SPDX-License-Identifier: Apache-2.0
#include "debug/stub.hpp"

#include "debug/hex.hpp"
#include "debug/registers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace vmm::debug {
namespace {

constexpr std::size_t kMaxWaiting = 64;  // packets while the guest runs
constexpr std::size_t kMaxBreakpoints = 4096;
constexpr unsigned kSigInt = 2;
constexpr unsigned kSigTrap = 5;

/// Takes `word` from the front of `text`.
bool take_word(std::string_view& text, std::string_view word) {
    if (!text.starts_with(word)) {
        return false;
    }
    text.remove_prefix(word.size());
    return true;
}

}  // namespace

Stub::Stub(Target& target, std::optional<Stop> stop)
    : target_(target)
    , phase_(stop ? Phase::held : Phase::joining)
    , stop_(stop.value_or(Stop{}))
    , hart_(stop_.hart)
    , step_hart_(stop_.hart) {}

std::string Stub::feed(std::string_view bytes) {
    for (const char byte : bytes) {
        if (finished_) {
            break;
        }
        take(reader_.feed(byte));
    }
    return std::exchange(out_, {});
}

void Stub::take(PacketEvent event) {
    switch (event) {
    case PacketEvent::none:
        break;
    case PacketEvent::interrupt:
        if (phase_ == Phase::running) {
            target_.interrupt();
        }
        break;
    case PacketEvent::resend:
        out_ += last_packet_;
        break;
    case PacketEvent::bad:
        if (acknowledge_) {
            out_ += '-';
        }
        break;
    case PacketEvent::packet:
        spoke_ = true;
        if (acknowledge_) {
            out_ += '+';
        }
        acknowledge_ = acknowledge_next_;
        if (phase_ == Phase::held) {
            execute(reader_.payload());
        } else if (waiting_.size() < kMaxWaiting) {
            waiting_.push_back(reader_.payload());
        } else {
            finished_ = true;
        }
        break;
    }
}

void Stub::serve_waiting() {
    std::vector<std::string> packets = std::exchange(waiting_, {});
    for (std::size_t n = 0; n < packets.size(); ++n) {
        if (phase_ != Phase::held || finished_) {
            waiting_.assign(packets.begin() + static_cast<std::ptrdiff_t>(n), packets.end());
            break;
        }
        execute(packets[n]);
    }
}

std::string Stub::stopped(Stop stop) {
    const bool report = phase_ == Phase::running;
    phase_ = Phase::held;
    stop_ = stop;
    hart_ = step_hart_ = stop.hart;
    if (report) {
        send_stop();
    }
    serve_waiting();
    return std::exchange(out_, {});
}

std::string Stub::ended(Ended how) {
    if (phase_ == Phase::running) {
        send(fmt::format("{}{:02x}", how.by_itself ? 'W' : 'X', how.code & 0xff));
    }
    finished_ = true;
    return std::exchange(out_, {});
}

void Stub::send(std::string_view payload) {
    last_packet_ = frame(payload);
    out_ += last_packet_;
}

void Stub::send_stop() {
    const unsigned signal = stop_.reason == StopReason::interrupted ? kSigInt : kSigTrap;
    std::string text = fmt::format("T{:02x}thread:{:x};", signal, stop_.hart + 1);
    if (names_breakpoints_ && stop_.reason == StopReason::breakpoint) {
        const std::uint64_t pc = target_.registers(stop_.hart).pc;
        text += hardware_breakpoints_.contains(pc) ? "hwbreak:;" : "swbreak:;";
    }
    send(text);
}

void Stub::execute(std::string_view packet) {
    if (packet.empty()) {
        send("");
        return;
    }
    const std::string_view rest = packet.substr(1);
    switch (packet.front()) {
    case '?':
        send_stop();
        break;
    case 'g':
        read_all_registers();
        break;
    case 'G':
        write_all_registers(rest);
        break;
    case 'p':
        read_one_register(rest);
        break;
    case 'P':
        write_one_register(rest);
        break;
    case 'm':
        read_memory(rest);
        break;
    case 'M':
        write_memory(rest);
        break;
    case 'H':
        select_thread(rest);
        break;
    case 'T':
        thread_alive(rest);
        break;
    case 'Z':
        change_breakpoint(rest, true);
        break;
    case 'z':
        change_breakpoint(rest, false);
        break;
    case 'c':
    case 'C':
        resume_one(rest, HartAction::go, packet.front() == 'C');
        break;
    case 's':
    case 'S':
        resume_one(rest, HartAction::step, packet.front() == 'S');
        break;
    case 'v':
        verbose(packet);
        break;
    case 'q':
        query(rest);
        break;
    case 'Q':
        set(rest);
        break;
    case 'D':
        detach();
        break;
    case 'k':
        kill();
        break;
    default:
        send("");  // the protocol's way to say that we don't know it
        break;
    }
}

void Stub::query(std::string_view rest) {
    if (take_word(rest, "Supported")) {
        names_breakpoints_ = rest.find("swbreak+") != std::string_view::npos;
        send(fmt::format(
            "PacketSize={:x};qXfer:features:read+;QStartNoAckMode+;vContSupported+;swbreak+;"
            "hwbreak+",
            kMaxPayload
        ));
    } else if (take_word(rest, "Xfer:features:read:")) {
        transfer_features(rest);
    } else if (rest == "fThreadInfo") {
        std::string list;
        for (unsigned hart = 0; hart < target_.harts(); ++hart) {
            list += fmt::format("{}{:x}", hart == 0 ? 'm' : ',', hart + 1);
        }
        send(list);
    } else if (rest == "sThreadInfo") {
        send("l");
    } else if (take_word(rest, "ThreadExtraInfo,")) {
        describe_thread(rest);
    } else if (rest == "C") {
        send(fmt::format("QC{:x}", hart_ + 1));
    } else if (rest.starts_with("Attached")) {
        send("1");  // a debugger that quits detaches
    } else if (rest.starts_with("Symbol:")) {
        send_ok();
    } else {
        send("");
    }
}

void Stub::set(std::string_view rest) {
    if (rest == "StartNoAckMode") {
        acknowledge_next_ = false;
        acknowledge_ = false;
        send_ok();
    } else {
        send("");
    }
}

void Stub::verbose(std::string_view packet) {
    if (packet == "vCont?") {
        send("vCont;c;C;s;S");
    } else if (take_word(packet, "vCont;")) {
        resume_threads(packet);
    } else if (packet.starts_with("vKill")) {
        kill();
    } else {
        send("");
    }
}

void Stub::transfer_features(std::string_view rest) {
    const bool known = take_word(rest, "target.xml:");
    const auto offset = known ? take_hex(rest) : std::nullopt;
    const bool comma = offset && debug::take(rest, ',');
    const auto length = comma ? take_hex(rest) : std::nullopt;
    if (!length) {
        send("E00");
        return;
    }
    const std::string_view text = target_description();
    if (*offset >= text.size()) {
        send("l");
        return;
    }
    const std::size_t most = std::min<std::uint64_t>(*length, kMaxPayload / 2);
    const std::string_view part = text.substr(*offset, most);
    send((*offset + part.size() < text.size() ? "m" : "l") + std::string(part));
}

void Stub::describe_thread(std::string_view rest) {
    const auto hart = parse_thread(rest, nullptr);
    if (!hart) {
        send_error();
        return;
    }
    const std::string words = target_.describe(*hart);
    send(to_hex(std::as_bytes(std::span(words))));
}

/// A thread id: a number from 1, 0 for any, -1 for all (only where `all` is asked for).
std::optional<unsigned> Stub::parse_thread(std::string_view& text, bool* all) const {
    if (take_word(text, "-1")) {
        if (all != nullptr) {
            *all = true;
        }
        return all != nullptr ? std::optional(0U) : std::nullopt;
    }
    const auto id = take_hex(text);
    if (!id || *id > target_.harts()) {
        return std::nullopt;
    }
    return *id == 0 ? hart_ : static_cast<unsigned>(*id - 1);
}

void Stub::select_thread(std::string_view rest) {
    if (rest.empty()) {
        send_error();
        return;
    }
    const char what = rest.front();
    rest.remove_prefix(1);
    bool all = false;
    const auto hart = parse_thread(rest, &all);
    if (!hart || !rest.empty() || (what != 'g' && what != 'c')) {
        send_error();
        return;
    }
    if (what == 'g' && !all) {
        hart_ = *hart;
    } else if (what == 'c') {
        step_hart_ = all ? stop_.hart : *hart;
    }
    send_ok();
}

void Stub::thread_alive(std::string_view rest) {
    if (parse_thread(rest, nullptr) && rest.empty()) {
        send_ok();
    } else {
        send_error();
    }
}

void Stub::read_all_registers() {
    const riscv::State state = target_.registers(hart_);
    std::string text;
    for (const std::uint64_t value : state.x) {
        text += to_hex(value);
    }
    send(text + to_hex(state.pc));
}

void Stub::write_all_registers(std::string_view rest) {
    constexpr std::size_t kDigits = 16;
    if (rest.size() < kGeneralRegisters * kDigits) {
        send_error();
        return;
    }
    riscv::State state = target_.registers(hart_);
    for (unsigned n = 0; n < kGeneralRegisters; ++n) {
        const auto value = register_from_hex(rest.substr(n * kDigits, kDigits));
        if (!value) {
            send_error();
            return;
        }
        if (n + 1 == kGeneralRegisters) {
            state.pc = *value & ~std::uint64_t{1};
        } else if (n != 0) {
            state.x[n] = *value;
        }
    }
    target_.set_registers(hart_, state);
    send_ok();
}

void Stub::read_one_register(std::string_view rest) {
    const auto number = take_hex(rest);
    if (!number || !rest.empty() || *number >= register_count()) {
        send_error();
        return;
    }
    const auto value = read_register(target_, hart_, static_cast<unsigned>(*number));
    send(value ? to_hex(*value) : std::string(16, 'x'));  // unavailable
}

void Stub::write_one_register(std::string_view rest) {
    const auto number = take_hex(rest);
    const bool equals = number && debug::take(rest, '=');
    const auto value = equals ? register_from_hex(rest) : std::nullopt;
    if (value && *number < register_count()
        && write_register(target_, hart_, static_cast<unsigned>(*number), *value)) {
        send_ok();
    } else {
        send_error();
    }
}

void Stub::read_memory(std::string_view rest) {
    const auto address = take_hex(rest);
    const bool comma = address && debug::take(rest, ',');
    const auto length = comma ? take_hex(rest) : std::nullopt;
    if (!length || !rest.empty()) {
        send_error();
        return;
    }
    std::vector<std::byte> bytes(std::min<std::uint64_t>(*length, kMaxPayload / 2));
    bytes.resize(target_.read_memory(hart_, *address, bytes));
    if (bytes.empty() && *length != 0) {
        send_error();
        return;
    }
    send(to_hex(bytes));
}

void Stub::write_memory(std::string_view rest) {
    const auto address = take_hex(rest);
    const bool comma = address && debug::take(rest, ',');
    const auto length = comma ? take_hex(rest) : std::nullopt;
    const auto bytes = length && debug::take(rest, ':') ? from_hex(rest) : std::nullopt;
    if (bytes && bytes->size() == *length && target_.write_memory(hart_, *address, *bytes)) {
        send_ok();
    } else {
        send_error();
    }
}

void Stub::change_breakpoint(std::string_view rest, bool insert) {
    const auto type = take_hex(rest);
    const bool comma = type && debug::take(rest, ',');
    const auto address = comma ? take_hex(rest) : std::nullopt;
    if (!address || !debug::take(rest, ',')) {
        send_error();
        return;
    }
    if (*type > 1) {
        send("");  // watchpoints: the debugger steps instead
        return;
    }
    std::set<std::uint64_t>& points = *type == 0 ? software_breakpoints_ : hardware_breakpoints_;
    if (!insert) {
        points.erase(*address);
    } else if (points.size() < kMaxBreakpoints) {
        points.insert(*address);
    } else {
        send_error();
        return;
    }
    std::vector<std::uint64_t> all(software_breakpoints_.begin(), software_breakpoints_.end());
    all.insert(all.end(), hardware_breakpoints_.begin(), hardware_breakpoints_.end());
    std::ranges::sort(all);
    all.erase(std::ranges::unique(all).begin(), all.end());
    target_.set_breakpoints(all);
    send_ok();
}

/// `c`, `s`, and with a signal (which guests have no use for) `C` and `S`; an address to go on at
/// may follow. The other harts run meanwhile.
void Stub::resume_one(std::string_view rest, HartAction action, bool with_signal) {
    if (with_signal) {
        if (!take_hex(rest)) {
            send_error();
            return;
        }
        debug::take(rest, ';');
    }
    if (!rest.empty()) {
        const auto address = take_hex(rest);
        if (!address || !rest.empty()) {
            send_error();
            return;
        }
        write_register(target_, step_hart_, kGeneralRegisters - 1, *address);
    }
    std::vector<HartAction> actions(target_.harts(), HartAction::go);
    actions[step_hart_] = action;
    resume(actions);
}

/// `action[:thread];...`: the first that names a thread is the thread's; one without a thread is
/// that of all others. Threads that nobody names stay where they are.
void Stub::resume_threads(std::string_view rest) {
    std::vector<std::optional<HartAction>> chosen(target_.harts());
    while (!rest.empty()) {
        const char letter = rest.front();
        rest.remove_prefix(1);
        const bool step = letter == 's' || letter == 'S';
        const bool with_signal = letter == 'C' || letter == 'S';
        if ((!step && letter != 'c' && letter != 'C') || (with_signal && !take_hex(rest))) {
            send_error();
            return;
        }
        bool all = true;
        unsigned hart = 0;
        if (debug::take(rest, ':')) {
            all = false;
            const auto named = parse_thread(rest, &all);
            if (!named) {
                send_error();
                return;
            }
            hart = *named;
        }
        const HartAction action = step ? HartAction::step : HartAction::go;
        for (unsigned n = 0; n < chosen.size(); ++n) {
            if ((all || n == hart) && !chosen[n]) {
                chosen[n] = action;
            }
        }
        if (!rest.empty() && !debug::take(rest, ';')) {
            send_error();
            return;
        }
    }
    std::vector<HartAction> actions;
    for (const auto& action : chosen) {
        actions.push_back(action.value_or(HartAction::hold));
    }
    if (std::ranges::count(actions, HartAction::hold) == std::ssize(actions)) {
        send_error();  // nobody would ever stop
        return;
    }
    resume(actions);
}

void Stub::resume(const std::vector<HartAction>& actions) {
    phase_ = Phase::running;
    target_.resume(actions);
}

void Stub::detach() {
    send_ok();
    finished_ = true;
    target_.release();
}

void Stub::kill() {
    send_ok();
    finished_ = true;
    target_.kill();
}

}  // namespace vmm::debug
