// SPDX-License-Identifier: Apache-2.0
// As a newcomer would write it: streams, containers, an exception, a variable of the environment.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    std::vector<std::string> words(argv, argv + argc);
    std::sort(words.begin() + 1, words.end());
    try {
        throw std::runtime_error("caught");
    } catch (const std::exception& error) {
        std::cout << "hello from C++, " << error.what();
    }
    for (const std::string& word : words) {
        std::cout << ' ' << word;
    }
    const char* variable = std::getenv("GREETING");
    std::cout << ' ' << (variable != nullptr ? variable : "(none)") << std::endl;
    std::cerr << "to stderr" << std::endl;
    return 9;
}
