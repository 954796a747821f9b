// SPDX-License-Identifier: Apache-2.0
#include "debug/packets.hpp"
#include "debug/server.hpp"
#include "fake_target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>

namespace vmm::debug {
namespace {

using debug_test::FakeTarget;
using ::testing::HasSubstr;

/// A debugger's end of the connection.
class Client {
public:
    explicit Client(const std::string& path) {
        socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const ::timeval patience{.tv_sec = 20, .tv_usec = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ::sockaddr_un to{};
        to.sun_family = AF_UNIX;
        std::ranges::copy(path, to.sun_path);
        connected_ = ::connect(socket_, reinterpret_cast<::sockaddr*>(&to), sizeof to) == 0;
    }
    ~Client() { ::close(socket_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    bool connected() const { return connected_; }
    void say(std::string_view bytes) {
        (void)!::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    /// The payload of the next packet; "(closed)" at the end of the connection.
    std::string hear() {
        for (;;) {
            char byte = 0;
            if (::recv(socket_, &byte, 1, 0) <= 0) {
                return "(closed)";
            }
            if (reader_.feed(byte) == PacketEvent::packet) {
                return reader_.payload();
            }
        }
    }
    std::string ask(std::string_view payload) {
        say(frame(payload));
        return hear();
    }

private:
    int socket_ = -1;
    bool connected_ = false;
    PacketReader reader_;
};

class ServerTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string path = std::filesystem::temp_directory_path() / "cops-debug-XXXXXX";
        directory = ::mkdtemp(path.data());
        socket = directory / "gdb";
        auto made = Server::listen({.host = socket}, target, "guest");
        ASSERT_TRUE(made) << made.error().message;
        server = std::move(*made);
        server->start();
    }
    void TearDown() override {
        server.reset();
        std::filesystem::remove_all(directory);
    }

    std::filesystem::path directory;
    std::filesystem::path socket;
    FakeTarget target{2};
    std::unique_ptr<Server> server;
};

TEST_F(ServerTest, only_the_owner_may_come_and_the_file_goes_with_the_server) {
    struct ::stat status{};
    ASSERT_EQ(::stat(socket.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    server.reset();
    EXPECT_FALSE(std::filesystem::exists(socket));
}

TEST_F(ServerTest, serves_a_guest_that_is_held) {
    server->held({.hart = 1});
    Client client(socket);
    ASSERT_TRUE(client.connected());
    EXPECT_EQ(client.ask("?"), "T02thread:2;");
}

TEST_F(ServerTest, holds_a_running_guest_for_who_comes) {
    target.on_interrupt = [this] { server->held({.hart = 0}); };
    Client client(socket);
    EXPECT_EQ(client.ask("?"), "T02thread:1;");
}

TEST_F(ServerTest, tells_of_stops_and_of_the_end) {
    server->held({});
    target.on_resume = [this] {
        server->running();
        if (target.resumes == 1) {
            server->held({.hart = 1, .reason = StopReason::step});
        } else {
            server->ended({.by_itself = true, .code = 3});
        }
    };
    Client client(socket);
    EXPECT_EQ(client.ask("c"), "T05thread:2;");
    EXPECT_EQ(client.ask("c"), "W03");
    EXPECT_EQ(client.hear(), "(closed)");
}

TEST_F(ServerTest, a_second_debugger_is_refused) {
    server->held({});
    Client first(socket);
    EXPECT_EQ(first.ask("qC"), "QC1");
    Client second(socket);
    EXPECT_EQ(second.hear(), "(closed)");
    EXPECT_EQ(first.ask("qC"), "QC1");
}

TEST_F(ServerTest, another_may_come_after_the_first_has_gone) {
    server->held({});
    {
        Client first(socket);
        EXPECT_EQ(first.ask("qC"), "QC1");
        EXPECT_EQ(first.ask("D"), "OK");
        EXPECT_EQ(first.hear(), "(closed)");
    }
    EXPECT_EQ(target.releases, 1);
    Client second(socket);
    EXPECT_EQ(second.ask("qC"), "QC1");
}

TEST_F(ServerTest, a_connection_that_breaks_lets_the_guest_go) {
    server->held({});
    {
        Client client(socket);
        EXPECT_EQ(client.ask("qC"), "QC1");
    }
    {
        // The next one is accepted only after the first has been seen off.
        Client next(socket);
        EXPECT_EQ(next.ask("qC"), "QC1");
    }
    server.reset();
    EXPECT_GE(target.releases, 1);
}

TEST_F(ServerTest, who_only_knocks_does_not_let_a_held_guest_go) {
    server->held({});
    {
        Client knock(socket);
        ASSERT_TRUE(knock.connected());
    }
    Client client(socket);
    EXPECT_EQ(client.ask("qC"), "QC1");
    server.reset();
    EXPECT_EQ(target.releases, 0);
}

TEST_F(ServerTest, an_address_in_use_is_an_error_and_a_stale_socket_is_not) {
    const auto second = Server::listen({.host = socket}, target, "guest");
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("in use"));
    server.reset();
    // As left behind by somebody who was killed.
    ::sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::ranges::copy(socket.string(), at.sun_path);
    const int left = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(left, reinterpret_cast<::sockaddr*>(&at), sizeof at), 0);
    ::close(left);
    EXPECT_TRUE(Server::listen({.host = socket}, target, "guest"));
}

TEST_F(ServerTest, port_zero_gets_a_port) {
    const auto tcp = Server::listen(*parse_address("tcp:127.0.0.1:0"), target, "guest");
    ASSERT_TRUE(tcp) << tcp.error().message;
    EXPECT_NE((*tcp)->address().port, 0);
}

}  // namespace
}  // namespace vmm::debug
