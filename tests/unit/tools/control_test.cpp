// SPDX-License-Identifier: Apache-2.0
// What the control socket and the metrics endpoint say to whom: no sockets here.
#include "control/client.hpp"
#include "control/http.hpp"
#include "control/metrics.hpp"
#include "control/operation.hpp"
#include "control/request.hpp"
#include "fake_fleet.hpp"
#include "process.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <regex>
#include <set>

namespace tools {
namespace {

using test::failure_of;
using test::FakeGuests;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::json;

std::string refused(std::string_view line, std::string_view code) {
    const auto request = parse_request(line);
    EXPECT_FALSE(request) << line;
    if (request) {
        return {};
    }
    EXPECT_EQ(request.error().code, code) << line;
    // Whatever it quotes, the refusal is one line of JSON.
    const std::string reply = refusal_line(request.error());
    EXPECT_EQ(reply.find('\n'), reply.size() - 1);
    EXPECT_FALSE(Json::parse(reply)["ok"].get<bool>());
    return request.error().message;
}

TEST(ControlRequest, every_verb_is_understood_as_it_is_written) {
    for (const Verb verb : {Verb::ps, Verb::pause, Verb::resume, Verb::stop, Verb::stats}) {
        const auto request = parse_request(request_line({.verb = verb, .guests = {}}));
        ASSERT_TRUE(request) << name_of(verb);
        EXPECT_EQ(request->verb, verb);
        EXPECT_TRUE(request->guests.empty());
        EXPECT_EQ(request->timeout, kPowerOffTime);
    }
    const auto stop = parse_request(R"({"timeout":0.25,"guests":["a","b"],"verb":"stop"})");
    ASSERT_TRUE(stop);
    EXPECT_EQ(stop->guests, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(stop->timeout, std::chrono::milliseconds(250));
}

TEST(ControlRequest, what_is_no_request_is_refused) {
    const std::string deep(2000, '[');
    const std::string bad_text = "{\"verb\":\"\xff\xfe\"}";
    for (const std::string& line :
         {std::string(),
          std::string("ps"),
          std::string("{"),
          std::string("[]"),
          std::string("null"),
          std::string("{\"verb\":\"ps\"} {}"),
          std::string("\0\0", 2),
          deep,
          bad_text}) {
        EXPECT_THAT(refused(line, "bad_request"), HasSubstr("not a JSON object"));
    }
    EXPECT_THAT(refused("{}", "bad_request"), HasSubstr("no \"verb\""));
}

TEST(ControlRequest, unknown_words_are_refused_with_what_would_be_accepted) {
    const std::string verb = refused(R"({"verb":"puase"})", "unknown_verb");
    EXPECT_THAT(verb, HasSubstr("ps, pause, resume, stop, stats or tenant; did you mean 'pause'?"));
    refused(R"({"verb":7})", "unknown_verb");
    refused(R"({"verb":null})", "unknown_verb");
    refused("{\"verb\":" + std::string(1000, '[') + std::string(1000, ']') + "}", "unknown_verb");
    const std::string key = refused(R"({"verb":"ps","guests":["a"]})", "unknown_key");
    EXPECT_THAT(key, HasSubstr("ps has no key \"guests\"; accepted: verb"));
    EXPECT_THAT(
        refused(R"({"verb":"pause","timeout":1})", "unknown_key"),
        HasSubstr("accepted: verb or guests")
    );
}

TEST(ControlRequest, bad_values_are_refused_with_what_would_be_accepted) {
    for (const char* guests : {"\"a\"", "[]", "[1]", "[\"a\",null]", "{}", "null"}) {
        const auto line = std::string(R"({"verb":"stop","guests":)") + guests + "}";
        EXPECT_THAT(refused(line, "bad_value"), HasSubstr("give an array of guests' names"));
    }
    for (const char* timeout : {"-1", "-0.001", "3601", "1e300", "\"5\"", "null", "true", "[]"}) {
        const auto line = std::string(R"({"verb":"stop","timeout":)") + timeout + "}";
        EXPECT_THAT(refused(line, "bad_value"), HasSubstr("give seconds from 0 to 3600"));
    }
}

TEST(ControlRequest, tenant_changes_are_understood_as_they_are_written) {
    const Request request{
        .verb = Verb::tenant,
        .guests = {"a"},
        .changes = {{.key = "weight", .value = "200"}, {.key = "share", .value = "none"}},
    };
    EXPECT_EQ(
        request_line(request),
        R"({"verb":"tenant","guests":["a"],"set":{"weight":200,"share":null}})"
        "\n"
    );
    const auto parsed = parse_request(request_line(request));
    ASSERT_TRUE(parsed);
    ASSERT_EQ(parsed->changes.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
        const auto wanted =
            std::ranges::find(request.changes, parsed->changes[i].key, &TenantChange::key);
        ASSERT_NE(wanted, request.changes.end());
        EXPECT_EQ(parsed->changes[i].value, wanted->value);
    }
}

TEST(ControlRequest, tenant_changes_that_nobody_could_make_are_refused) {
    const auto set = [](std::string_view changes, std::string_view code) {
        return refused(
            R"({"verb":"tenant","guests":["a"],"set":)" + std::string(changes) + "}", code
        );
    };
    EXPECT_THAT(set(R"({"wieght":1})", "bad_value"), HasSubstr("did you mean 'weight'?"));
    EXPECT_THAT(set(R"({"weight":0})", "bad_value"), HasSubstr("1 to 10000"));
    for (const char* value : {"\"1\"", "1.5", "-1", "1e3", "true", "[]", "{}", "null"}) {
        set(std::string(R"({"weight":)") + value + "}", "bad_value");
    }
    for (const char* changes : {"{}", "[]", "null", "7"}) {
        EXPECT_THAT(set(changes, "bad_value"), HasSubstr("give an object with some of base-level"));
    }
    EXPECT_THAT(refused(R"({"verb":"tenant"})", "bad_request"), HasSubstr("needs both"));
    refused(R"({"verb":"tenant","guests":["a"]})", "bad_request");
    refused(R"({"verb":"tenant","set":{"weight":1}})", "bad_request");
}

class ControlOperation : public ::testing::Test {
protected:
    static constexpr std::chrono::milliseconds kStep{100};

    /// Carries a request out to its end. Time passes in steps.
    std::string reply_to(Request request) {
        Operation operation(context_, std::move(request));
        auto now = Operation::Clock::time_point{};
        for (;;) {
            took_ = now.time_since_epoch();
            if (const auto reply = operation.advance(now)) {
                return *reply;
            }
            now += kStep;
        }
    }
    Json json_reply_to(Request request) { return Json::parse(reply_to(std::move(request))); }

    FakeGuests guests_{{"a", "b"}};
    int stuck_ = 0;
    Operation::Clock::duration took_{};
    Operation::Context context_{guests_, "up", [this] {
                                    ++stuck_;
                                    guests_.stays_when_stopped = false;
                                    guests_.stop(0);
                                    guests_.stop(1);
                                }};
};

TEST_F(ControlOperation, ps_shows_guests_and_vcpus) {
    const Json reply = json_reply_to({.verb = Verb::ps, .guests = {}});
    ASSERT_EQ(reply["guests"].size(), 2u);
    const Json& guest = reply["guests"][0];
    EXPECT_EQ(guest["name"], "a");
    EXPECT_EQ(guest["state"], "running");
    EXPECT_EQ(guest["engine"], "interp");
    EXPECT_EQ(guest["vcpus"][0]["level"], 3);
    EXPECT_TRUE(guest["vcpus"][1]["level"].is_null());  // it is off
    const std::string text = reply_text({.verb = Verb::ps, .guests = {}}, reply.dump(), false);
    EXPECT_THAT(text, HasSubstr("guest  state     engine   vcpu  state     level"));
    EXPECT_THAT(text, HasSubstr("\nb      running   interp      0  running       3"));
    EXPECT_THAT(text, HasSubstr("\na: 2 of 2 virtual CPUs, 1 its own and 1 granted\n"));
    EXPECT_THAT(text, Not(HasSubstr("b: ")));  // all that it may have are its own
}

TEST_F(ControlOperation, stats_is_the_report_of_a_run_that_goes_on) {
    const Json report = json_reply_to({.verb = Verb::stats, .guests = {}})["report"];
    EXPECT_EQ(report["schema"], 1);
    EXPECT_EQ(report["command"], "up");
    EXPECT_TRUE(report["exit_code"].is_null());
    EXPECT_EQ(report["guests"][1]["name"], "b");
    EXPECT_EQ(report["guests"][1]["ending"], "running");
    EXPECT_TRUE(report["guests"][1]["exit_code"].is_null());
    EXPECT_EQ(report["worker_times"].size(), 1u);
}

TEST_F(ControlOperation, pause_and_resume_are_for_those_named_or_all) {
    EXPECT_TRUE(json_reply_to({.verb = Verb::pause, .guests = {"b"}})["ok"]);
    EXPECT_EQ(guests_.report().guests[0].state, vmm::GuestState::running);
    EXPECT_EQ(guests_.report().guests[1].state, vmm::GuestState::paused);
    EXPECT_TRUE(json_reply_to({.verb = Verb::resume, .guests = {}})["ok"]);
    EXPECT_EQ(guests_.report().guests[1].state, vmm::GuestState::running);
    const Json wrong = json_reply_to({.verb = Verb::pause, .guests = {"b", "c"}});
    EXPECT_EQ(wrong["error"]["code"], "no_such_guest");
    EXPECT_EQ(wrong["error"]["message"], "there is no guest 'c'; there are: a, b");
    EXPECT_EQ(guests_.report().guests[1].state, vmm::GuestState::running);
}

Request change(std::vector<std::string> guests, std::vector<TenantChange> changes) {
    return {.verb = Verb::tenant, .guests = std::move(guests), .changes = std::move(changes)};
}

TEST_F(ControlOperation, a_tenant_gets_what_was_changed_and_keeps_the_rest) {
    guests_.contents().guests[1].tenant.share = 300;
    const Json reply = json_reply_to(change({"b"}, {{"weight", "250"}, {"budget-rate", "500"}}));
    EXPECT_TRUE(reply["ok"]) << reply;
    EXPECT_EQ(guests_.report().guests[1].tenant.weight, 250u);
    EXPECT_EQ(guests_.report().guests[1].tenant.share, 300u);
    EXPECT_EQ(guests_.report().guests[0].tenant.weight, 100u);
    const Json expected = Json::parse(R"({"base-level":16,"ceiling":0,"weight":250,
        "budget-rate":500,"budget-burst":10000,"share":300})");
    EXPECT_EQ(reply["guests"][0]["tenant"], expected);
    EXPECT_EQ(json_reply_to({.verb = Verb::ps, .guests = {}})["guests"][1]["tenant"], expected);

    EXPECT_TRUE(json_reply_to(
        change({"b"}, {{"share", "none"}, {"budget-rate", "none"}, {"budget-burst", "none"}})
    )["ok"]);
    EXPECT_EQ(guests_.report().guests[1].tenant.share, 0u);
    EXPECT_EQ(guests_.report().guests[1].tenant.budget_rate, 0u);
}

TEST_F(ControlOperation, a_tenant_that_would_contradict_itself_stays_as_it_is) {
    const Json reply = json_reply_to(change({"a"}, {{"weight", "7"}, {"ceiling", "20"}}));
    EXPECT_EQ(reply["error"]["code"], "refused");
    EXPECT_THAT(
        std::string(reply["error"]["message"]), HasSubstr("less urgent than the base level")
    );
    EXPECT_EQ(guests_.report().guests[0].tenant.weight, 100u);
    guests_.contents().guests[0].state = vmm::GuestState::ended;
    const Json ended = json_reply_to(change({"b", "a"}, {{"weight", "7"}}));
    EXPECT_THAT(std::string(ended["error"]["message"]), HasSubstr("guest a has ended"));
    EXPECT_EQ(guests_.report().guests[1].tenant.weight, 100u) << "before anything was done";
}

TEST_F(ControlOperation, a_guest_that_does_not_pause_is_told_after_a_while) {
    guests_.pauses = false;
    const Json reply = json_reply_to({.verb = Verb::pause, .guests = {}});
    EXPECT_EQ(reply["error"]["code"], "timeout");
    EXPECT_EQ(took_, std::chrono::seconds(10));
}

TEST_F(ControlOperation, stop_asks_and_tells_how_guests_ended) {
    const Json reply = json_reply_to({.verb = Verb::stop, .guests = {"a"}});
    ASSERT_EQ(reply["guests"].size(), 1u);
    EXPECT_EQ(reply["guests"][0]["ending"], "stopped");
    EXPECT_EQ(reply["guests"][0]["status"], 143);
    EXPECT_FALSE(reply["guests"][0]["forced"]);
    EXPECT_EQ(guests_.report().guests[1].state, vmm::GuestState::running);
    EXPECT_EQ(
        reply_text({.verb = Verb::stop, .guests = {}}, reply.dump(), false), "a: powered off\n"
    );
    // Again: it has ended already.
    EXPECT_FALSE(json_reply_to({.verb = Verb::stop, .guests = {"a"}})["guests"][0]["forced"]);
}

TEST_F(ControlOperation, stop_ends_by_force_who_does_not_power_off_in_time) {
    guests_.ends_when_asked = false;
    const Json reply =
        json_reply_to({.verb = Verb::stop, .guests = {}, .timeout = std::chrono::seconds(7)});
    EXPECT_EQ(took_, std::chrono::seconds(7) + kStep);  // seen at the next look
    EXPECT_TRUE(reply["guests"][1]["forced"]);
    EXPECT_EQ(
        reply_text({.verb = Verb::stop, .guests = {}}, reply.dump(), false),
        "a: ended by force\nb: ended by force\n"
    );
    EXPECT_EQ(stuck_, 0);
}

TEST_F(ControlOperation, stop_ends_at_once_who_cannot_be_asked) {
    guests_.can_be_asked = false;
    EXPECT_TRUE(json_reply_to({.verb = Verb::stop, .guests = {}})["guests"][0]["forced"]);
    EXPECT_EQ(took_.count(), 0);
}

TEST_F(ControlOperation, a_guest_that_cannot_leave_is_told_once) {
    guests_.stays_when_stopped = true;
    guests_.can_be_asked = false;
    json_reply_to({.verb = Verb::stop, .guests = {}});
    EXPECT_EQ(stuck_, 1);
    EXPECT_EQ(took_, std::chrono::seconds(1) + kStep);
}

TEST(ControlClient, refusals_are_failures_of_the_kind_that_fits) {
    const Request request{.verb = Verb::pause, .guests = {}};
    const std::map<std::string_view, vmm::ErrorKind> kinds{
        {"no_such_guest", vmm::ErrorKind::usage},
        {"refused", vmm::ErrorKind::internal},
        {"timeout", vmm::ErrorKind::internal},
        {"busy", vmm::ErrorKind::unavailable},
    };
    for (const auto& [code, kind] : kinds) {
        const std::string reply = refusal_line({code, "why"});
        EXPECT_EQ(failure_of(kind, [&] { (void)reply_text(request, reply, false); }), "why");
    }
    for (const char* nonsense : {"", "HTTP/1.1 400", "{}", "[]", R"({"ok":false})"}) {
        failure_of(vmm::ErrorKind::internal, [&] { (void)reply_text(request, nonsense, true); });
    }
}

std::string answer(std::string_view head) {
    return http_answer(head, [] { return std::string("a 1\n"); });
}

TEST(MetricsHttp, get_and_head_of_metrics_are_answered) {
    const std::string whole = answer("GET /metrics HTTP/1.1\r\nHost: x");
    EXPECT_THAT(whole, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
    EXPECT_THAT(whole, HasSubstr("\r\nContent-Length: 4\r\n"));
    EXPECT_THAT(whole, HasSubstr("\r\nConnection: close\r\n\r\na 1\n"));
    EXPECT_THAT(answer("GET /metrics?x=y HTTP/1.0"), HasSubstr("200 OK"));
    const std::string head = answer("HEAD /metrics HTTP/1.1");
    EXPECT_THAT(head, HasSubstr("Content-Length: 4\r\n"));
    EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST(MetricsHttp, everything_else_is_refused) {
    EXPECT_THAT(answer("GET / HTTP/1.1"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(answer("GET /metricsx HTTP/1.1"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(answer("POST /metrics HTTP/1.1"), HasSubstr("405 Method Not Allowed"));
    EXPECT_THAT(answer("POST /metrics HTTP/1.1"), HasSubstr("Allow: GET, HEAD\r\n"));
    for (const std::string_view bad :
         {"",
          "GET",
          "GET /metrics",
          "GET  HTTP/1.1",
          "\x16\x03\x01",
          "GET /metrics HTTP/2",
          "GET\t/metrics\tHTTP/1.1"}) {
        EXPECT_THAT(answer(bad), StartsWith("HTTP/1.1 400 ")) << bad;
    }
}

/// Names of metrics in a text.
std::set<std::string> metric_names(const std::string& text, const std::regex& pattern) {
    std::set<std::string> names;
    for (auto at = std::sregex_iterator(text.begin(), text.end(), pattern);
         at != std::sregex_iterator();
         ++at) {
        names.insert((*at)[1]);
    }
    return names;
}

TEST(Metrics, are_those_of_the_document) {
    FakeGuests guests({"a"});
    guests.contents().guests[0].levels[5].requests = 1;
    const std::string document =
        test_support::read_file(std::string(COPS_SOURCE_DIR) + "/docs/design/control.md");
    EXPECT_EQ(
        metric_names(metrics_text(guests.report()), std::regex("# TYPE (cops_\\w+)")),
        metric_names(document, std::regex("`(cops_\\w+)\\{"))
    );
}

TEST(Metrics, have_labels_and_exact_seconds) {
    FakeGuests guests({"a", "quo\"te\\"});
    vmm::GuestReport& guest = guests.contents().guests[0];
    guest.vcpus[1].run_ns = 12'000'000'345;
    guest.vcpus[1].wait_ns = 7;
    guest.vcpus[0].preemptions = 3;
    guest.levels[5] = {.requests = 1, .bytes = 100};
    guest.levels[vmm::kNoLevel].wakes_kernel = 2;
    guests.contents().worker_times[0].sleeps = 9;
    const std::string text = metrics_text(guests.report());
    for (const char* line :
         {"cops_vcpu_run_seconds_total{vm=\"a\",vcpu=\"1\"} 12.000000345\n",
          "cops_vcpu_wait_seconds_total{vm=\"a\",vcpu=\"1\"} 0.000000007\n",
          "cops_vcpu_preemptions_total{vm=\"a\",vcpu=\"0\"} 3\n",
          "cops_request_bytes_total{vm=\"a\",level=\"5\"} 100\n",
          "cops_wakeups_total{vm=\"a\",level=\"none\",path=\"kernel\"} 2\n",
          "cops_guest_up{vm=\"quo\\\"te\\\\\"} 1\n",
          "cops_worker_sleeps_total{worker=\"0\"} 9\n"}) {
        EXPECT_THAT(text, HasSubstr(line));
    }
}

}  // namespace
}  // namespace tools
