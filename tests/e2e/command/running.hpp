// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "command.hpp"

#include <sys/types.h>

#include <string>

namespace command {

/// Starts the command with its output in a file.
pid_t start(const Words& words, const std::string& output);

/// Exit status, -n for signal n; kills what takes more than a minute.
int wait_for(pid_t child);

}  // namespace command
