// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "debug/packets.hpp"
#include "debug/target.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vmm::debug {

/// How a guest ended, for the debugger.
struct Ended {
    bool by_itself = true;  ///< It shut down; else something made it end.
    unsigned code = 0;      ///< Its exit status (low 8 bits), else a signal's number.
};

/// One session of the GDB remote protocol: bytes in, bytes out, and calls of a Target. It does no
/// input or output of its own and knows no clock; what a debugger sends may be anything.
///
/// All-stop: while the guest runs only Ctrl-C is heard; other packets wait until it is held. Hart h
/// is thread h + 1.
class Stub {
public:
    /// `stop`: the guest is held already, and why; nothing: it was asked to, stopped() will come.
    Stub(Target& target, std::optional<Stop> stop);

    /// What the debugger sent; returns what to answer.
    std::string feed(std::string_view bytes);
    /// The guest is held now.
    std::string stopped(Stop stop);
    /// The guest has ended; nothing else comes.
    std::string ended(Ended how);

    /// The connection is to be closed: detached, killed, ended, or senseless input.
    bool finished() const { return finished_; }
    /// At least one sound packet came: it is a debugger.
    bool spoke() const { return spoke_; }

private:
    enum class Phase : std::uint8_t {
        joining,  ///< Waits for the first stop, which nobody asked us to report.
        held,
        running,
    };

    void take(PacketEvent event);
    void execute(std::string_view packet);
    void serve_waiting();
    void send(std::string_view payload);
    void send_ok() { send("OK"); }
    void send_error() { send("E01"); }
    void send_stop();

    // Packets, by first letter. Each answers by itself.
    void query(std::string_view rest);
    void set(std::string_view rest);
    void verbose(std::string_view packet);
    void read_all_registers();
    void write_all_registers(std::string_view rest);
    void read_one_register(std::string_view rest);
    void write_one_register(std::string_view rest);
    void read_memory(std::string_view rest);
    void write_memory(std::string_view rest);
    void select_thread(std::string_view rest);
    void thread_alive(std::string_view rest);
    void change_breakpoint(std::string_view rest, bool insert);
    void resume_one(std::string_view rest, HartAction action, bool with_signal);
    void resume_threads(std::string_view rest);
    void transfer_features(std::string_view rest);
    void describe_thread(std::string_view rest);
    void resume(const std::vector<HartAction>& actions);
    void detach();
    void kill();

    std::optional<unsigned> parse_thread(std::string_view& text, bool* all) const;

    Target& target_;
    PacketReader reader_;
    Phase phase_;
    Stop stop_;
    bool acknowledge_ = true;
    bool acknowledge_next_ = true;  // QStartNoAckMode's own answer is still acknowledged
    bool spoke_ = false;
    bool finished_ = false;
    bool names_breakpoints_ = false;  // the debugger understands swbreak and hwbreak
    unsigned hart_ = 0;               // Hg: what registers and memory refer to
    unsigned step_hart_ = 0;          // Hc: what `c` and `s` refer to
    std::set<std::uint64_t> software_breakpoints_;
    std::set<std::uint64_t> hardware_breakpoints_;
    std::string out_;
    std::string last_packet_;
    std::vector<std::string> waiting_;  // packets that came while the guest ran
};

}  // namespace vmm::debug
