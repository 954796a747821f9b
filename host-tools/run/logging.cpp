// SPDX-License-Identifier: Apache-2.0
#include "run/logging.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace tools {

void set_up_logging(const std::string& level) {
    auto logger =
        std::make_shared<spdlog::logger>("cops", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%H:%M:%S.%f %l [thread %t] %v");
    logger->set_level(spdlog::level::from_str(level));
    spdlog::set_default_logger(std::move(logger));
}

}  // namespace tools
