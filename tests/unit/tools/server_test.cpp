// SPDX-License-Identifier: Apache-2.0
// The control socket and the metrics endpoint against clients of all kinds, over a fake fleet.
#include "control/client.hpp"
#include "control/listener.hpp"
#include "control/server.hpp"
#include "control/unix_socket.hpp"
#include "fake_fleet.hpp"
#include "process.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <list>
#include <thread>

namespace tools {
namespace {

using test::failure_of;
using test::FakeGuests;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;

/// A client that sends bytes as they are. Reads wait at most half a minute.
class RawClient {
public:
    explicit RawClient(int fd)
        : fd_(fd) {
        EXPECT_GE(fd, 0);
        const ::timeval patience{.tv_sec = 30, .tv_usec = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    ~RawClient() { ::close(fd_); }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    void send(std::string_view text) {
        EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL), std::ssize(text));
    }
    void send_end() { ::shutdown(fd_, SHUT_WR); }
    /// Up to and with the next `end`, or all there is.
    std::string receive(std::string_view end) {
        while (input_.find(end) == std::string::npos && fill()) {
        }
        const std::size_t at = input_.find(end);
        std::string text = input_.substr(0, at == std::string::npos ? at : at + end.size());
        input_.erase(0, text.size());
        return text;
    }
    Json reply() { return Json::parse(receive("\n"), nullptr, false); }
    std::string rest() {
        while (fill()) {
        }
        return std::exchange(input_, {});
    }

private:
    bool fill() {
        char buffer[4096];
        const ssize_t count = ::recv(fd_, buffer, sizeof buffer, 0);
        input_.append(buffer, count > 0 ? static_cast<std::size_t>(count) : 0);
        return count > 0;
    }

    int fd_;
    std::string input_;
};

int connect_tcp(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    ::sockaddr_in to{};
    to.sin_family = AF_INET;
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    std::uint16_t port = 0;
    std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
    to.sin_port = htons(port);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    return ::connect(fd, reinterpret_cast<const ::sockaddr*>(&to), sizeof to) == 0 ? fd : -1;
}

class ControlServer : public ::testing::Test {
protected:
    ControlServer() {
        server_.start(guests_, [] {});
    }

    test_support::TemporaryDirectory directory_;
    std::string path_ = directory_ / "control.sock";
    FakeGuests guests_{{"a", "b"}};
    Server server_{ServerOptions{
        .control = path_,
        .metrics = ListenAddress{.path = {}, .host = "127.0.0.1", .port = 0},
        .command = "run",
    }};
};

TEST_F(ControlServer, answers_one_request_after_the_other) {
    RawClient client(connect_unix(path_));
    client.send("{\"verb\":\"pause\",\"guests\":[\"a\"]}\n{\"verb\":\"ps\"}\n{\"verb\":");
    EXPECT_TRUE(client.reply()["ok"]);
    EXPECT_EQ(client.reply()["guests"][0]["state"], "paused");
    client.send("\"resume\"}\n");
    EXPECT_TRUE(client.reply()["ok"]);
    EXPECT_EQ(guests_.report().guests[0].state, vmm::GuestState::running);
}

TEST_F(ControlServer, answers_who_says_that_it_sends_nothing_more) {
    RawClient client(connect_unix(path_));
    client.send("{\"verb\":\"ps\"}\n{\"verb\":\"nonsense\"}\n");
    client.send_end();
    EXPECT_TRUE(client.reply()["ok"]);
    EXPECT_FALSE(client.reply()["ok"]);
    EXPECT_EQ(client.rest(), "");
}

TEST_F(ControlServer, goes_on_with_a_client_after_its_mistakes) {
    RawClient client(connect_unix(path_));
    client.send("\n\xff\xfe\n{\"verb\":\"ps\",\"x\":1}\n{\"verb\":\"ps\"}\n");
    EXPECT_EQ(client.reply()["error"]["code"], "bad_request");
    EXPECT_EQ(client.reply()["error"]["code"], "bad_request");
    EXPECT_EQ(client.reply()["error"]["code"], "unknown_key");
    EXPECT_TRUE(client.reply()["ok"]);
}

TEST_F(ControlServer, an_overlong_line_is_refused_and_ends_the_connection) {
    RawClient client(connect_unix(path_));
    client.send(std::string(100'000, 'x'));
    const Json reply = client.reply();
    EXPECT_EQ(reply["error"]["code"], "bad_request");
    EXPECT_THAT(reply["error"]["message"].get<std::string>(), HasSubstr("more than 4096 bytes"));
    client.send_end();
    EXPECT_EQ(client.rest(), "");
}

TEST_F(ControlServer, a_line_of_the_longest_length_is_none_too_long) {
    RawClient client(connect_unix(path_));
    std::string line = "{\"verb\":\"ps\"}";
    line.append(4095 - line.size(), ' ');
    client.send(line + "\n");
    EXPECT_TRUE(client.reply()["ok"]);
}

TEST_F(ControlServer, one_client_too_many_is_told_so_and_a_place_gets_free_again) {
    std::list<RawClient> clients;
    for (int i = 0; i < 16; ++i) {
        clients.emplace_back(connect_unix(path_)).send("{\"verb\":\"ps\"}\n");
        EXPECT_TRUE(clients.back().reply()["ok"]);
    }
    RawClient late(connect_unix(path_));
    EXPECT_EQ(late.reply()["error"]["code"], "busy");
    EXPECT_EQ(late.rest(), "");
    // Silent ones keep nobody from being answered, nor the metrics.
    clients.back().send("{\"verb\":\"ps\"}\n");
    EXPECT_TRUE(clients.back().reply()["ok"]);
    RawClient metrics(connect_tcp(server_.metrics_address()));
    metrics.send("GET /metrics HTTP/1.1\r\n\r\n");
    EXPECT_THAT(metrics.rest(), StartsWith("HTTP/1.1 200 OK"));
    clients.pop_front();
    // It is noticed soon; until then there is no place.
    for (bool served = false; !served;) {
        RawClient again(connect_unix(path_));
        again.send("{\"verb\":\"ps\"}\n");
        const Json reply = again.reply();
        ASSERT_FALSE(reply.is_discarded());
        served = reply["ok"];
    }
}

TEST_F(ControlServer, a_client_that_reads_nothing_harms_nobody) {
    RawClient deaf(connect_unix(path_));
    const std::string request = "{\"verb\":\"stats\"}\n";
    for (int i = 0; i < 200; ++i) {
        deaf.send(request);
    }
    RawClient other(connect_unix(path_));
    other.send(request);
    EXPECT_TRUE(other.reply()["ok"]);
}

TEST_F(ControlServer, who_waits_for_a_stop_hears_of_it_when_the_fleet_ends) {
    guests_.ends_when_asked = false;
    RawClient waiting(connect_unix(path_));
    waiting.send("{\"verb\":\"stop\",\"timeout\":3600}\n");
    RawClient other(connect_unix(path_));
    other.send("{\"verb\":\"ps\"}\n");
    EXPECT_TRUE(other.reply()["ok"]);  // meanwhile
    guests_.stop(0);
    guests_.stop(1);
    server_.finish();
    const Json reply = waiting.reply();
    EXPECT_TRUE(reply["ok"]);
    EXPECT_EQ(reply["guests"].size(), 2u);
    EXPECT_EQ(waiting.rest(), "");
}

TEST_F(ControlServer, the_socket_is_the_owners_and_goes_with_it) {
    struct ::stat status{};
    ASSERT_EQ(::lstat(path_.c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    server_.finish();
    EXPECT_NE(::lstat(path_.c_str(), &status), 0);
    const std::string said = failure_of(vmm::ErrorKind::configuration, [this] {
        (void)ask_running_command(path_, {.verb = Verb::ps, .guests = {}}, false);
    });
    EXPECT_THAT(said, HasSubstr("no command can be reached at " + path_ + ": No such file"));
}

TEST_F(ControlServer, a_client_of_ours_is_answered) {
    const Request pause{.verb = Verb::pause, .guests = {"b"}};
    EXPECT_EQ(ask_running_command(path_, pause, false), "");
    EXPECT_EQ(ask_running_command(path_, pause, true), "{\"ok\":true}\n");
    const std::string said = failure_of(vmm::ErrorKind::usage, [this] {
        (void)ask_running_command(path_, {.verb = Verb::pause, .guests = {"x"}}, false);
    });
    EXPECT_EQ(said, "there is no guest 'x'; there are: a, b");
}

TEST_F(ControlServer, metrics_heads_that_come_in_pieces_or_never_end) {
    RawClient pieces(connect_tcp(server_.metrics_address()));
    for (const char* piece : {"GET /met", "rics HTTP/1.1\r", "\nHost: a\r\n", "\r\n"}) {
        pieces.send(piece);
    }
    EXPECT_THAT(pieces.rest(), HasSubstr("cops_vcpu_run_seconds_total{vm=\"a\",vcpu=\"0\"} 0."));
    RawClient endless(connect_tcp(server_.metrics_address()));
    endless.send("GET /metrics HTTP/1.1\r\n" + std::string(20'000, 'x'));
    EXPECT_THAT(endless.receive("\r\n\r\n"), StartsWith("HTTP/1.1 431 "));
}

TEST(ControlListener, a_stale_socket_is_replaced_and_one_in_use_is_not) {
    const test_support::TemporaryDirectory directory;
    const ListenAddress address{.path = directory / "sock", .host = {}};
    // As somebody leaves it who was killed: bound, and nobody listens.
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const UnixAddress to(address.path);
    ASSERT_EQ(::bind(dead, to.get(), to.size()), 0);
    ::close(dead);
    const Listener listener(address, "the control socket");
    const std::string said = failure_of(vmm::ErrorKind::configuration, [&] {
        const Listener second(address, "the control socket");
    });
    EXPECT_EQ(
        said,
        "cannot open the control socket at unix:" + address.path
            + ": another process listens there; choose another path"
    );
    struct ::stat status{};
    EXPECT_EQ(::lstat(address.path.c_str(), &status), 0);  // the first one's, still
}

TEST(ControlListener, another_file_is_left_alone) {
    const test_support::TemporaryDirectory directory;
    const ListenAddress address{.path = directory / "file", .host = {}};
    test_support::write_file(address.path, "precious");
    EXPECT_THAT(
        failure_of(
            vmm::ErrorKind::configuration,
            [&] { const Listener listener(address, "the control socket"); }
        ),
        HasSubstr("a file of another kind")
    );
    EXPECT_EQ(test_support::read_file(address.path), "precious");
    const ListenAddress nowhere{.path = directory / "no/such/folder", .host = {}};
    EXPECT_THAT(
        failure_of(
            vmm::ErrorKind::configuration,
            [&] { const Listener listener(nowhere, "the control socket"); }
        ),
        HasSubstr("No such file or directory")
    );
}

TEST(ControlListener, what_somebody_else_put_there_meanwhile_stays) {
    const test_support::TemporaryDirectory directory;
    const ListenAddress address{.path = directory / "sock", .host = {}};
    {
        const Listener listener(address, "the control socket");
        ::unlink(address.path.c_str());
        test_support::write_file(address.path, "other");
    }
    EXPECT_EQ(test_support::read_file(address.path), "other");
}

TEST(ControlListener, a_port_in_use_is_told) {
    const Listener first({.path = {}, .host = "127.0.0.1", .port = 0}, "the metrics endpoint");
    EXPECT_NE(first.address().port, 0);
    EXPECT_THAT(
        failure_of(
            vmm::ErrorKind::configuration,
            [&] { const Listener second(first.address(), "the metrics endpoint"); }
        ),
        HasSubstr("cannot open the metrics endpoint at " + first.address().text())
    );
}

}  // namespace
}  // namespace tools
