// SPDX-License-Identifier: Apache-2.0
// Mistakes: each gets one clear message and its exit code; nothing hangs.
#include "command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <elf.h>

#include <cstring>
#include <filesystem>

namespace {

using command::guest;
using command::run;
using command::Words;
using test_support::read_file;
using test_support::write_file;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class BadInput : public ::testing::Test {
protected:
    /// The command must end with `code` and exactly one line, which holds each of `texts`.
    static void expect_error(const Words& words, int code, const std::vector<std::string>& texts) {
        check(run(words), code, texts);
    }
    static void check(
        const test_support::ProcessResult& result, int code, const std::vector<std::string>& texts
    ) {
        EXPECT_EQ(result.exit_code, code) << result.err;
        EXPECT_FALSE(result.timed_out);
        EXPECT_EQ(result.out, "");
        EXPECT_THAT(result.err, StartsWith("cops: error: "));
        EXPECT_EQ(command::count(result.err, "\n"), 1U) << result.err;
        for (const std::string& text : texts) {
            EXPECT_THAT(result.err, HasSubstr(text));
        }
    }

    std::string file(const std::string& name, const std::string& contents) const {
        write_file(directory_ / name, contents);
        return directory_ / name;
    }

    /// An image with a change made to its header or program headers.
    template <class Change>
    std::string changed(const std::string& image, const std::string& name, Change change) const {
        std::string bytes = read_file(image);
        Elf64_Ehdr header;
        std::memcpy(&header, bytes.data(), sizeof header);
        std::vector<Elf64_Phdr> segments(header.e_phnum);
        std::memcpy(
            segments.data(), bytes.data() + header.e_phoff, segments.size() * sizeof(Elf64_Phdr)
        );
        change(header, segments);
        std::memcpy(bytes.data(), &header, sizeof header);
        std::memcpy(
            bytes.data() + header.e_phoff, segments.data(), segments.size() * sizeof(Elf64_Phdr)
        );
        return file(name, bytes);
    }

    test_support::TemporaryDirectory directory_;
};

TEST_F(BadInput, usage_errors_give_2) {
    expect_error({}, 2, {"no command"});
    expect_error({"run"}, 2, {"no application"});
    expect_error({"run", "--cpus", "0", "hello"}, 2, {"--cpus", "1 to 64"});
    expect_error({"run", "--memory", "lots", "hello"}, 2, {"--memory", "256M"});
    expect_error({"run", "--kernel", "x", "hello"}, 2, {"takes no application"});
    expect_error({"run", "--polcy", "fair", "hello"}, 2, {"--policy"});
    expect_error({"run", "--policy", "unfair", "hello"}, 2, {"priority", "fair"});
    expect_error({"run", "--ceiling", "20", "hello"}, 2, {"ceiling", "base level"});
    expect_error({"run", "--budget-burst", "1000", "hello"}, 2, {"budget rate"});
    expect_error({"run", "--share", "100", "hello"}, 2, {"--share"});
    expect_error({"run", "--engine", "kvm", "hello"}, 2, {"auto", "interp"});
    expect_error({"run", "--grant", "f=README.md", "hello"}, 2, {"NAME=file:PATH"});
}

TEST_F(BadInput, applications_that_are_none_give_3) {
    const std::string accepted = "riscv64-linux-gnu-gcc -static";
    expect_error({"run", "./missing"}, 3, {"missing", "No such file", accepted});
    expect_error({"run", "no-such-app"}, 3, {"no-such-app", "hello"});
    expect_error({"run", "/bin/true"}, 3, {"x86-64", accepted});
    expect_error({"run", "/"}, 3, {"folder", accepted});
    // What a linker without -static adds, in the place of a note.
    const auto dynamic = [](Elf64_Ehdr&, std::vector<Elf64_Phdr>& segments) {
        for (Elf64_Phdr& segment : segments) {
            segment.p_type = segment.p_type == PT_NOTE ? PT_INTERP : segment.p_type;
        }
    };
    expect_error(
        {"run", changed(guest("hello-c"), "dynamic", dynamic)}, 3, {"dynamically", accepted}
    );
    const std::string whole = read_file(guest("hello-c"));
    expect_error({"run", file("half", whole.substr(0, whole.size() / 2))}, 3, {"truncated"});
    expect_error({"run", file("head", whole.substr(0, 40))}, 3, {"truncated"});
    expect_error({"run", file("text", "hello\n")}, 3, {"not an ELF"});
    const auto overlap = [](Elf64_Ehdr&, std::vector<Elf64_Phdr>& segments) {
        Elf64_Phdr* first = nullptr;
        for (Elf64_Phdr& segment : segments) {
            if (segment.p_type == PT_LOAD && first != nullptr) {
                segment.p_vaddr = first->p_vaddr;
            } else if (segment.p_type == PT_LOAD) {
                first = &segment;
            }
        }
    };
    expect_error({"run", changed(guest("hello-c"), "overlap", overlap)}, 3, {"overlap", accepted});
}

TEST_F(BadInput, kernels_that_are_none_give_3) {
    expect_error({"run", "--kernel", "/nonexistent"}, 3, {"/nonexistent", "No such file"});
    expect_error({"run", "--kernel", "/"}, 3, {"/"});
    expect_error({"run", "--kernel", "/bin/true"}, 3, {"/bin/true"});
    expect_error({"run", "--kernel", file("empty", "")}, 3, {"empty"});
    const std::string whole = read_file(guest("bare-spin"));
    expect_error({"run", "--kernel", file("cut", whole.substr(0, 100))}, 3, {"cut"});
    const auto elsewhere = [](Elf64_Ehdr& header, std::vector<Elf64_Phdr>& segments) {
        header.e_entry = 0x1000;
        for (Elf64_Phdr& segment : segments) {
            segment.p_vaddr = segment.p_paddr = 0x1000;
        }
    };
    expect_error(
        {"run", "--kernel", changed(guest("bare-spin"), "elsewhere", elsewhere)}, 3, {"elsewhere"}
    );
}

TEST_F(BadInput, an_initrd_that_does_not_fit_gives_3) {
    const std::string large = directory_ / "large";
    write_file(large, "");
    std::filesystem::resize_file(large, std::uintmax_t{64} << 20);
    expect_error(
        {"run", "--memory", "32M", "--initrd", large, "--kernel", guest("bare-spin")}, 3, {"initrd"}
    );
    expect_error(
        {"run", "--initrd", "/nonexistent", "--kernel", guest("bare-spin")}, 3, {"/nonexistent"}
    );
}

TEST_F(BadInput, grants_of_what_is_not_there_give_3) {
    const auto granting = [](const Words& grants) {
        Words words{"run", "--kernel", guest("bare-spin")};
        for (const std::string& grant : grants) {
            words.insert(words.end(), {"--grant", grant});
        }
        return words;
    };
    expect_error(granting({"f=file:/nonexistent"}), 3, {"/nonexistent", "No such"});
    expect_error(granting({"f=dir:/etc/hostname"}), 3, {"/etc/hostname"});
    expect_error(granting({"f=file:/etc"}), 3, {"/etc"});
    expect_error(granting({"f=dir:/", "f=dir:/etc"}), 3, {"two grants", "f"});
}

TEST_F(BadInput, reports_that_cannot_be_written_give_3_before_anything_runs) {
    for (const char* option : {"--json", "--dump-dtb"}) {
        expect_error(
            {"run", option, "/nonexistent/file", "--kernel", guest("bare-spin")},
            3,
            {"/nonexistent/file"}
        );
    }
}

TEST_F(BadInput, memory_beyond_the_cops_kernel_gives_3) {
    expect_error({"run", "--memory", "65G", "hello"}, 3, {"the COPS kernel uses at most 64G"});
    const std::string path = file("large.toml", "[[guest]]\napp = \"hello\"\nmemory = \"65G\"\n");
    expect_error({"up", path}, 3, {"the COPS kernel uses at most 64G"});
}

TEST_F(BadInput, memory_that_cannot_be_had_gives_4) {
    const std::string line = "ulimit -v 4000000; exec " + std::string(COPS_COMMAND)
                             + " run --memory 64G --kernel " + guest("bare-spin");
    check(test_support::run_process({"sh", "-c", line}), 4, {"memory"});
}

TEST_F(BadInput, io_uring_forbidden_gives_4_and_names_the_setting) {
    Words words{COPS_DENY_IO_URING};
    for (const std::string& word : command::cops({"run", "--kernel", guest("bare-spin")})) {
        words.push_back(word);
    }
    check(test_support::run_process(words), 4, {"io_uring", "seccomp", "io_uring_setup"});
}

TEST_F(BadInput, a_wild_virtqueue_index_asks_for_a_reset_and_says_why) {
    const std::vector<std::string> reasons = {
        "available ring ran ahead by more than the queue holds",
        "available ring names a descriptor beyond the queue",
        "descriptor chain leaves its table",
        "descriptor chain is a loop or too long",
    };
    for (const std::string queue : {"0", "1"}) {
        for (std::size_t i = 0; i < reasons.size(); ++i) {
            const std::string report = directory_ / "report.json";
            const auto result = run(
                {"run",
                 "--json",
                 report,
                 "--kernel",
                 guest("bare-wild-queue-" + queue + "-" + std::to_string(i + 1))}
            );
            EXPECT_FALSE(result.timed_out);
            EXPECT_EQ(result.exit_code, 0) << result.err;
            EXPECT_THAT(
                result.err,
                HasSubstr("[guest/-] virtio-cops: the driver broke the protocol: " + reasons[i])
            );
            EXPECT_EQ(command::count(result.err, "\n"), 1U) << result.err;
            const auto json = nlohmann::json::parse(read_file(report));
            EXPECT_EQ(json["guests"][0]["bad_requests"], 1);
            EXPECT_EQ(json["guests"][0]["in_flight"], 0);
        }
    }
}

TEST_F(BadInput, fleet_files_with_mistakes_give_3_with_file_and_line) {
    const auto fleet = [this](const std::string& text) {
        return Words{"up", file("fleet.toml", text)};
    };
    const std::string path = directory_ / "fleet.toml";
    const std::string good = "[[guest]]\napp = \"hello\"\n";
    expect_error(fleet(good + "memroy = 1\n"), 3, {path + ":3:", "'memroy'", "'memory'"});
    expect_error(fleet(good + "cpus = 65\n"), 3, {path + ":3: cpus", "1 to 64"});
    expect_error(
        fleet("policy = \"nice\"\n" + good),
        3,
        {path + ":1: policy", "priority, fair, rr, pvsched", "linux-fifo"}
    );
    expect_error(fleet(good + "cpus = = 2\n"), 3, {path + ":3:"});
    expect_error(
        fleet("[[guest]]\nname=\"a\"\napp=\"hello\"\n[[guest]]\nname=\"a\"\napp=\"hello\"\n"),
        3,
        {path + ":4:", "two guests", "'a'"}
    );
    expect_error(fleet(good + "ceiling = 20\n"), 3, {path + ":1:", "ceiling", "base level"});
    expect_error(fleet(good + "share = 800\n" + good + "share = 300\n"), 3, {"1100 permille"});
    expect_error(fleet(""), 3, {path, "[[guest]]"});
    expect_error({"up", "/nonexistent.toml"}, 3, {"/nonexistent.toml"});
    expect_error(fleet("[[guest]]\napp = \"./hello\"\n"), 3, {directory_.path().string()});
}

TEST_F(BadInput, help_and_version_are_no_errors) {
    for (const Words& words :
         {Words{"--help"},
          Words{"help"},
          Words{"help", "run"},
          Words{"help", "up"},
          Words{"run", "--help"},
          Words{"up", "--help"},
          Words{"--version"},
          Words{"up", "--example"}}) {
        const auto result = run(words);
        EXPECT_EQ(result.exit_code, 0);
        EXPECT_NE(result.out, "");
        EXPECT_EQ(result.err, "");
    }
}

}  // namespace
