// SPDX-License-Identifier: Apache-2.0
// embed GUEST.elf: runs a guest inside this program, shows its console and how it ended.
#include <vmm/fleet.hpp>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <span>
#include <string>

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: embed GUEST.elf\n");
        return 2;
    }
    // libvmm logs through spdlog's default logger; the guest's console has stdout to itself.
    spdlog::set_default_logger(spdlog::stderr_color_mt("embed"));

    vmm::FleetConfig config;
    config.guests.push_back({.name = "embedded", .kernel = argv[1]});

    auto fleet = vmm::Fleet::create(config, [](std::size_t, std::span<const char> text) {
        std::fwrite(text.data(), 1, text.size(), stdout);
    });
    if (!fleet) {
        std::fprintf(stderr, "create: %s\n", fleet.error().message.c_str());
        return static_cast<int>(fleet.error().kind);
    }
    if (const auto started = (*fleet)->start(); !started) {
        std::fprintf(stderr, "start: %s\n", started.error().message.c_str());
        return static_cast<int>(started.error().kind);
    }
    (*fleet)->wait();

    const auto outcome = (*fleet)->report().guests.at(0).outcome;
    std::printf("%s ended with status %u\n", outcome.name.c_str(), outcome.status);
    return outcome.ending == vmm::Ending::powered_off ? 0 : 1;
}
