// SPDX-License-Identifier: Apache-2.0
#include "boot/images.hpp"

#include "support/failure.hpp"
#include "support/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <vector>

namespace tools {
namespace {

std::vector<std::string> files_in(const std::filesystem::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        // Test programs lie beside the applications, and are no choice for people.
        std::string name = entry.path().filename().string();
        if (entry.is_regular_file(error) && !name.starts_with("test-")) {
            names.push_back(std::move(name));
        }
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace

Images Images::beside_program() {
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    return Images(program.parent_path().parent_path() / "share" / "cops");
}

std::filesystem::path Images::kernel() const {
    auto path = directory_ / "cops-kernel";
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) {
        throw configuration_failure(fmt::format(
            "the COPS kernel is not at {}; build or install it with the command", path.string()
        ));
    }
    return path;
}

std::filesystem::path Images::application(std::string_view app) const {
    if (app.find('/') != std::string_view::npos) {
        return app;
    }
    auto path = directory_ / "apps" / app;
    std::error_code error;
    if (std::filesystem::is_regular_file(path, error)) {
        return path;
    }
    const auto files = files_in(directory_ / "apps");
    const std::vector<std::string_view> names(files.begin(), files.end());
    if (std::filesystem::is_regular_file(std::filesystem::path(app), error)) {
        throw configuration_failure(fmt::format(
            "no shipped application is called '{0}'; to run the file in this folder write ./{0}",
            app
        ));
    }
    throw configuration_failure(fmt::format(
        "no shipped application is called '{}'{}; shipped: {}; your own is a path with a slash",
        app,
        did_you_mean(app, names),
        names.empty() ? "none in " + (directory_ / "apps").string() : enumerate(names)
    ));
}

}  // namespace tools
