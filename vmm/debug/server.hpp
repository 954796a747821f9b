// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "debug/address.hpp"
#include "debug/stub.hpp"
#include "debug/target.hpp"

#include <vmm/error.hpp>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>

namespace vmm::debug {

/// Listens for a debugger and serves one at a time, on a thread of its own. The target's methods
/// are called from that thread only.
class Server {
public:
    /// Listens at once, so that an address that can't be had is an error now; serves after
    /// start(). `name` is the guest's, for messages. A socket file belongs to the server and goes
    /// with it; one that nobody listens on any more is replaced.
    static Result<std::unique_ptr<Server>>
    listen(const Address& address, Target& target, std::string name);
    /// Says what is still to be said, and ends the thread.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    void start();
    /// With the port that the host chose.
    const Address& address() const noexcept { return address_; }

    // Any thread.
    void held(Stop stop);
    void running();
    void ended(Ended how);

private:
    struct Running {};
    struct Quit {};
    using Event = std::variant<Stop, Running, Ended, Quit>;

    Server(Address address, Target& target, std::string name);
    Result<void> open();
    void post(Event event);
    void serve();
    bool serve_events();
    void accept();
    void read();
    void send(const std::string& bytes);
    void hang_up(const char* why);

    Address address_;
    Target& target_;
    const std::string name_;
    int listener_ = -1;
    int wake_ = -1;
    std::thread thread_;

    std::mutex mutex_;
    std::deque<Event> events_;  // guarded by mutex_

    // Thread of the server only.
    int connection_ = -1;
    std::optional<Stub> stub_;
    std::optional<Stop> stop_;     // the guest is held
    bool interrupted_it_ = false;  // the guest ran when this debugger came
    bool guest_ended_ = false;
};

}  // namespace vmm::debug
