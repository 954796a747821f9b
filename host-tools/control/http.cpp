// SPDX-License-Identifier: Apache-2.0
#include "control/http.hpp"

#include <fmt/format.h>

namespace tools {
namespace {

constexpr std::string_view kPlain = "text/plain; charset=utf-8";
constexpr std::string_view kPrometheus = "text/plain; version=0.0.4; charset=utf-8";

std::string
message(std::string_view status, std::string_view type, std::string_view body, bool with_body) {
    return fmt::format(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n{}",
        status,
        type,
        body.size(),
        status.starts_with("405") ? "Allow: GET, HEAD\r\n" : "",
        with_body ? body : std::string_view()
    );
}

std::string refuse(std::string_view status, std::string_view body) {
    return message(status, kPlain, body, true);
}

/// The word that begins `text`, which is left with what follows the space behind it.
std::string_view take_word(std::string_view& text) {
    const std::size_t end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return word;
}

}  // namespace

std::string http_answer(std::string_view head, const std::function<std::string()>& metrics) {
    std::string_view line = head.substr(0, head.find("\r\n"));
    const std::string_view method = take_word(line);
    const std::string_view target = take_word(line);
    if (!line.starts_with("HTTP/1.") || target.empty()) {
        return refuse("400 Bad Request", "not an HTTP/1 request; accepted: GET /metrics\n");
    }
    if (method != "GET" && method != "HEAD") {
        return refuse("405 Method Not Allowed", "accepted: GET /metrics\n");
    }
    if (target.substr(0, target.find('?')) != "/metrics") {
        return refuse("404 Not Found", "nothing is there; accepted: GET /metrics\n");
    }
    return message("200 OK", kPrometheus, metrics(), method == "GET");
}

std::string http_overlong() {
    return refuse(
        "431 Request Header Fields Too Large", "the request is too long; accepted: GET /metrics\n"
    );
}

std::string http_busy() {
    return refuse("503 Service Unavailable", "too many clients; come back later\n");
}

}  // namespace tools
