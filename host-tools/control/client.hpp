// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/request.hpp"

#include <string>
#include <string_view>

namespace tools {

/// Sends `request` to the command that listens at `path`, waits for its reply, and returns what to
/// print: the reply as it is (`json`), or in words. Throws Failure: configuration when nobody can
/// be reached, else as the refusal's code says.
std::string ask_running_command(std::string_view path, const Request& request, bool json);

/// A reply in words. Throws as ask_running_command().
std::string reply_text(const Request& request, const std::string& reply, bool json);

}  // namespace tools
