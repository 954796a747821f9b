// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace tools {

/// The whole answer of the metrics endpoint to a request's head (request line and headers, without
/// the empty line): GET or HEAD of /metrics gives what `metrics` makes, anything else an error that
/// says what would be accepted. Each answer closes its connection. Hostile: anything may stand in
/// the head.
std::string http_answer(std::string_view head, const std::function<std::string()>& metrics);

/// The answer to a request whose head is too long.
std::string http_overlong();
/// The answer when there are too many clients.
std::string http_busy();

}  // namespace tools
