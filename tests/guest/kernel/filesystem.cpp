// SPDX-License-Identifier: Apache-2.0
// filesystem DIRECTORY: std::filesystem, streams, exceptions and clocks on a folder of the host
// that holds a.txt ("one\n"), sub/b.txt ("two two\n") and many/0 .. many/299.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string>

namespace fs = std::filesystem;

static void check(bool condition, const char* what) {
    if (!condition) {
        std::cout << "FAILED: " << what << std::endl;
        std::exit(1);
    }
}

static void lists(const fs::path& root) {
    std::set<std::string> found;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
        if (entry.path().parent_path().filename() != "many") {
            found.insert(fs::relative(entry.path(), root).string());
        }
    }
    check(found == std::set<std::string>{"a.txt", "many", "sub", "sub/b.txt"}, "recursive listing");
    const fs::directory_iterator many(root / "many");
    check(std::distance(begin(many), end(many)) == 300, "each entry of a large folder once");
}

static void asks(const fs::path& root) {
    check(fs::is_directory(root) && fs::is_directory("/host"), "directories");
    check(fs::is_regular_file(root / "a.txt") && fs::file_size(root / "a.txt") == 4, "a file");
    check(!fs::exists(root / "none"), "what is not there");
    check(fs::canonical(root / "sub" / ".." / "a.txt") == root / "a.txt", "canonical");
    check(fs::current_path() == "/", "current_path");
    bool caught = false;
    try {
        (void)fs::file_size(root / "none");
    } catch (const fs::filesystem_error& error) {
        caught = error.code() == std::errc::no_such_file_or_directory;
    }
    check(caught, "an exception with the cause");
}

static void writes(const fs::path& root) {
    const auto before = std::chrono::steady_clock::now();
    std::ofstream(root / "made.txt") << "hello " << 42 << '\n';
    std::string word;
    int number = 0;
    std::ifstream(root / "made.txt") >> word >> number;
    check(word == "hello" && number == 42, "what was written is read");
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(root / "made.txt");
    check(age < std::chrono::hours(1) && age > -std::chrono::hours(1), "its time is now");
    check(std::chrono::steady_clock::now() > before, "time goes on");
    std::error_code error;
    check(!fs::create_directory(root / "folder", error) && error, "folders are not made");
}

int main(int argc, char** argv) {
    check(argc == 2, "usage: filesystem DIRECTORY");
    lists(argv[1]);
    asks(argv[1]);
    writes(argv[1]);
    std::cout << "filesystem: all passed" << std::endl;
}
