// SPDX-License-Identifier: Apache-2.0
// A stock gdb-multiarch controls a guest (bare-debug) through --gdb, on every engine.
#include "command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

namespace {

using command::guest;
using command::run;
using test_support::ProcessResult;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{100};

/// Those that this build and host have.
std::vector<std::string> engines() {
    std::vector<std::string> names;
    for (const char* name : {"interp", "dbt"}) {
        if (run({"run", "--engine", name, "--no-reboot", "--kernel", guest("bare-reset")}).exit_code
            == 32) {
            names.emplace_back(name);
        }
    }
    return names;
}

class Debugger : public ::testing::TestWithParam<std::string> {
protected:
    /// Runs the guest under gdb, which executes `script`; returns what both did.
    struct Both {
        ProcessResult gdb;
        ProcessResult cops;
    };
    Both debug(unsigned cpus, const std::string& script) {
        const std::string socket = directory_ / "gdb.sock";
        return debug_at("unix:" + socket, socket, cpus, script);
    }
    Both debug_at(
        const std::string& address,
        const std::string& for_gdb,
        unsigned cpus,
        const std::string& script
    ) {
        const std::string image = guest("bare-debug");
        const std::filesystem::path file = directory_ / "script.gdb";
        test_support::write_file(
            file,
            "set pagination off\nset confirm off\n"
            // The file looks like one for Linux, where gdb would not use our steps.
            "set osabi none\n"
            "target remote "
                + for_gdb + "\n" + script
        );
        Both both;
        std::thread cops([&] {
            both.cops =
                run({"run",
                     "--engine",
                     GetParam(),
                     "--cpus",
                     std::to_string(cpus),
                     "--workers",
                     "2",
                     "--kernel",
                     image,
                     "--gdb",
                     address},
                    {.timeout = kPatience});
        });
        // gdb itself waits for TCP ports only.
        const auto end = std::chrono::steady_clock::now() + kPatience;
        while (for_gdb.front() == '/' && !std::filesystem::exists(for_gdb)
               && std::chrono::steady_clock::now() < end) {
            ::poll(nullptr, 0, 5);
        }
        both.gdb = test_support::run_process(
            {"gdb-multiarch", "-nx", "-q", "-batch", "-x", file.string(), image},
            {.timeout = kPatience}
        );
        cops.join();
        return both;
    }

    test_support::TemporaryDirectory directory_;
};

/// Lets the guest go and end with status 42.
constexpr const char* kEnd = "delete\nset {int}&finish = 42\nset scheduler-locking off\ncontinue\n";

TEST_P(Debugger, holds_the_guest_at_its_first_instruction_and_says_so) {
    const Both both = debug(1, std::string("p/x $pc\ninfo threads\n") + kEnd);
    EXPECT_THAT(both.gdb.out, HasSubstr("= 0x80200000"));
    EXPECT_THAT(both.gdb.out, HasSubstr("Thread 1 (S-mode)"));
    EXPECT_THAT(both.gdb.out, HasSubstr("exited with code 052"));
    EXPECT_THAT(both.cops.err, HasSubstr("is held before its first instruction until a debugger"));
    EXPECT_EQ(both.cops.exit_code, 64 + 42) << both.cops.err << both.gdb.err;
}

TEST_P(Debugger, breaks_and_steps) {
    const Both both = debug(1, std::string(R"(
break *work
continue
printf "first %d\n", $s0
stepi
printf "after %d\n", $s0
continue
printf "second %d\n", $s0
delete
hbreak *work
continue
printf "third %d\n", $s0
x/2i $pc
)") + kEnd);
    EXPECT_THAT(both.gdb.out, HasSubstr("Breakpoint 1, 0x"));
    EXPECT_THAT(both.gdb.out, HasSubstr("first 0\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("after 1\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("second 1\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("third 2\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("<work+2>:\tcsrw\tsscratch,s0"));
    EXPECT_EQ(both.cops.exit_code, 64 + 42) << both.gdb.err;
}

TEST_P(Debugger, reads_and_writes_registers_csrs_and_memory) {
    const Both both = debug(1, std::string(R"(
break *work
continue
set var $s0 = 1000
stepi
stepi
printf "scratch %d mode %d\n", $sscratch, $priv
set var $sscratch = 5
printf "written %d\n", $sscratch
set var $fa0 = 1.5
p $fa0
set var $frm = 2
printf "rounding %d\n", $frm
p/x $stvec == &handler
set {long}&count = 0x1122334455667788
x/1xg &count
python
try:
    gdb.execute("p *(char*)0x10")
except gdb.MemoryError as error:
    print(error)
end
)") + kEnd);
    EXPECT_THAT(both.gdb.out, HasSubstr("scratch 1001 mode 1\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("written 5\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("double = 1.5"));
    EXPECT_THAT(both.gdb.out, HasSubstr("rounding 2\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("= 0x1\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("0x1122334455667788"));
    EXPECT_THAT(both.gdb.out, HasSubstr("Cannot access memory at address 0x10"));
    EXPECT_EQ(both.cops.exit_code, 64 + 42) << both.gdb.err;
}

TEST_P(Debugger, steps_into_a_trap_and_out_of_it) {
    const Both both = debug(1, std::string(R"(
break *work
continue
delete
set $link = $pc
set $pc = fault
stepi
p $pc == handler
printf "cause %d\n", $scause
stepi 4
p $pc == (long)fault + 4
set $pc = $link
)") + kEnd);
    EXPECT_THAT(both.gdb.out, HasSubstr("$1 = 1\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("cause 2\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("$2 = 1\n"));
    EXPECT_EQ(both.cops.exit_code, 64 + 42) << both.gdb.err;
}

TEST_P(Debugger, sees_changed_code) {
    // The body of `work` becomes: addi s0, s0, 2 (compressed); the rest as it was.
    const Both both = debug(1, std::string(R"(
break *work
continue
continue
set {short}&work = 0x0409
delete
stepi
printf "now %d\n", $s0
)") + kEnd);
    EXPECT_THAT(both.gdb.out, HasSubstr("now 3\n"));
}

TEST_P(Debugger, several_harts_are_threads) {
    const Both both = debug(2, std::string(R"(
break again
continue
info threads
printf "hart %d opaque %d\n", $_thread, $a1
delete
set scheduler-locking on
thread 2
printf "before %d\n", $s1
stepi
printf "after %d\n", $s1
thread 1
p $pc
set scheduler-locking off
break *work
continue
printf "hit by %d\n", $_thread
)") + kEnd);
    EXPECT_THAT(both.gdb.out, HasSubstr("Thread 2 hit Breakpoint 1"));
    EXPECT_THAT(both.gdb.out, HasSubstr("hart 2 opaque 7\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("before 0\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("after 1\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("hit by 1\n"));
    EXPECT_EQ(both.cops.exit_code, 64 + 42) << both.gdb.err;
}

TEST_P(Debugger, control_c_stops_all_harts) {
    // The timer only has to fire after the guest was let go, which `cont` tells.
    const Both both = debug(2, std::string(R"(
python
import gdb, os, signal, threading
def soon(event):
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
gdb.events.cont.connect(soon)
end
continue
python gdb.events.cont.disconnect(soon)
info threads
thread 2
p $s1 > 0
set $seen = *(long*)&count
p *(long*)&count == $seen
)") + kEnd);
    EXPECT_THAT(both.gdb.out, HasSubstr("received signal SIGINT"));
    EXPECT_THAT(both.gdb.out, HasSubstr("Thread 2 (S-mode)"));
    EXPECT_THAT(both.gdb.out, HasSubstr("$1 = 1\n"));
    EXPECT_THAT(both.gdb.out, HasSubstr("$2 = 1\n"));
    EXPECT_EQ(both.cops.exit_code, 64 + 42) << both.gdb.err;
}

TEST_P(Debugger, detaching_lets_the_guest_go) {
    const Both both = debug(2, "break *work\ncontinue\nset {int}&finish = 3\ndetach\n");
    EXPECT_EQ(both.cops.exit_code, 64 + 3) << both.gdb.out << both.gdb.err;
}

TEST_P(Debugger, quitting_lets_the_guest_go_too) {
    const Both both = debug(1, "break *work\ncontinue\nset {int}&finish = 3\nquit\n");
    EXPECT_EQ(both.cops.exit_code, 64 + 3) << both.gdb.out << both.gdb.err;
}

TEST_P(Debugger, kill_ends_the_guest) {
    const Both both = debug(2, "break *work\ncontinue\nkill\n");
    EXPECT_EQ(both.cops.exit_code, 0) << both.gdb.out << both.gdb.err << both.cops.err;
    EXPECT_FALSE(both.cops.timed_out);
}

TEST_P(Debugger, comes_by_tcp) {
    // A port that was free a moment ago.
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::socklen_t size = sizeof at;
    ASSERT_EQ(::bind(probe, reinterpret_cast<::sockaddr*>(&at), size), 0);
    ASSERT_EQ(::getsockname(probe, reinterpret_cast<::sockaddr*>(&at), &size), 0);
    ::close(probe);
    const std::string address = "tcp:127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    const Both both = debug_at(address, address, 1, kEnd);
    EXPECT_THAT(both.gdb.out, HasSubstr("exited with code 052"));
    EXPECT_EQ(both.cops.exit_code, 64 + 42) << both.gdb.err << both.cops.err;
}

INSTANTIATE_TEST_SUITE_P(engines, Debugger, ::testing::ValuesIn(engines()), [](const auto& test) {
    return test.param;
});

TEST(DebuggerOption, a_guest_that_waits_ends_by_a_signal_and_leaves_no_socket) {
    const test_support::TemporaryDirectory directory;
    const std::string socket = directory / "s";
    const auto result =
        run({"run", "--kernel", guest("bare-debug"), "--gdb", "unix:" + socket},
            {.signal_when_output_contains = "is held", .signal_number = SIGTERM});
    EXPECT_EQ(result.exit_code, 128 + SIGTERM);
    EXPECT_FALSE(std::filesystem::exists(socket));
}

TEST(DebuggerOption, addresses_of_others_are_refused) {
    const auto open = run({"run", "--gdb", "tcp:0.0.0.0:1", "--kernel", guest("bare-debug")});
    EXPECT_EQ(open.exit_code, 2);
    EXPECT_THAT(open.err, HasSubstr("tcp-public:"));
    const auto nowhere =
        run({"run", "--gdb", "unix:/nonexistent/s", "--kernel", guest("bare-debug")});
    EXPECT_EQ(nowhere.exit_code, 3);
    EXPECT_THAT(nowhere.err, HasSubstr("cannot listen for a debugger on unix:/nonexistent/s"));
}

}  // namespace
