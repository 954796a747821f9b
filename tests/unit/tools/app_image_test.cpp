// SPDX-License-Identifier: Apache-2.0
#include "boot/app_image.hpp"
#include "boot/images.hpp"
#include "process.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <elf.h>

#include <cstring>

namespace tools {
namespace {

using ::testing::HasSubstr;

/// A smallest good image: header, two program headers, 64 bytes for each of the segments.
struct Image {
    Elf64_Ehdr header{};
    Elf64_Phdr text{};
    Elf64_Phdr data{};

    Image() {
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_EXEC;
        header.e_machine = EM_RISCV;
        header.e_entry = 0x10000;
        header.e_phoff = sizeof header;
        header.e_phentsize = sizeof(Elf64_Phdr);
        header.e_phnum = 2;
        text = {PT_LOAD, PF_R | PF_X, 256, 0x10000, 0x10000, 64, 64, 4096};
        data = {PT_LOAD, PF_R | PF_W, 320, 0x11000, 0x11000, 64, 4096, 4096};
    }

    std::vector<std::uint8_t> bytes() const {
        std::vector<std::uint8_t> result(384);
        std::memcpy(result.data(), &header, sizeof header);
        std::memcpy(result.data() + sizeof header, &text, sizeof text);
        std::memcpy(result.data() + sizeof header + sizeof text, &data, sizeof data);
        return result;
    }
    std::string defect() const { return application_defect(bytes()); }
};

TEST(AppImage, a_static_riscv_executable_is_accepted) {
    EXPECT_EQ(Image().defect(), "");
}

TEST(AppImage, a_position_independent_static_executable_is_accepted) {
    Image image;
    image.header.e_type = ET_DYN;
    EXPECT_EQ(image.defect(), "");
}

TEST(AppImage, every_truncation_is_refused) {
    const auto whole = Image().bytes();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_NE(application_defect(std::span(whole).first(size)), "") << size;
    }
}

TEST(AppImage, other_files_are_named_for_what_they_are) {
    const std::string script = "#!/bin/sh\n";
    EXPECT_EQ(
        application_defect(std::vector<std::uint8_t>(script.begin(), script.end())),
        "it is a script"
    );
    Image image;
    image.header.e_machine = EM_X86_64;
    EXPECT_EQ(image.defect(), "it is made for x86-64");
    image.header.e_machine = EM_AARCH64;
    EXPECT_EQ(image.defect(), "it is made for AArch64");
    image = {};
    image.header.e_ident[EI_CLASS] = ELFCLASS32;
    EXPECT_THAT(image.defect(), HasSubstr("64-bit"));
    image = {};
    image.header.e_type = ET_REL;
    EXPECT_THAT(image.defect(), HasSubstr("object file"));
    image = {};
    image.header.e_type = ET_CORE;
    EXPECT_THAT(image.defect(), HasSubstr("not an executable"));
    image = {};
    image.data.p_type = PT_INTERP;
    EXPECT_THAT(image.defect(), HasSubstr("dynamically"));
}

TEST(AppImage, overlapping_segments_are_refused) {
    Image image;
    image.text.p_memsz = 0x1001;
    EXPECT_THAT(image.defect(), HasSubstr("overlap at 0x11000"));
    image = {};
    image.data.p_vaddr = 0x10000;
    EXPECT_THAT(image.defect(), HasSubstr("overlap"));
}

TEST(AppImage, impossible_sizes_are_refused) {
    Image image;
    image.data.p_memsz = 1;
    EXPECT_THAT(image.defect(), HasSubstr("impossible size"));
    image = {};
    image.data.p_vaddr = ~std::uint64_t{0} - 10;
    EXPECT_THAT(image.defect(), HasSubstr("impossible size"));
    image = {};
    image.data.p_offset = ~std::uint64_t{0};
    EXPECT_THAT(image.defect(), HasSubstr("truncated"));
    image = {};
    image.header.e_phoff = ~std::uint64_t{0};
    EXPECT_THAT(image.defect(), HasSubstr("truncated"));
}

TEST(AppImage, the_entry_lies_in_code) {
    Image image;
    image.header.e_entry = 0x11000;
    EXPECT_THAT(image.defect(), HasSubstr("entry point"));
    image = {};
    image.text.p_type = image.data.p_type = PT_NOTE;
    EXPECT_THAT(image.defect(), HasSubstr("nothing to load"));
}

TEST(AppImage, files_that_cannot_be_read_say_why_and_what_would_do) {
    const test_support::TemporaryDirectory directory;
    const auto failure = [](const std::filesystem::path& path) {
        return test::failure_of(vmm::ErrorKind::configuration, [&path] {
            (void)read_application(path);
        });
    };
    EXPECT_THAT(failure(directory / "missing"), HasSubstr("No such file"));
    EXPECT_THAT(failure(directory.path()), HasSubstr("it is a folder"));
    EXPECT_THAT(failure("/dev/null"), HasSubstr("no regular file"));
    test_support::write_file(directory / "empty", "");
    EXPECT_THAT(failure(directory / "empty"), HasSubstr("it is empty; accepted: a static RISC-V"));
}

TEST(Images, an_application_is_a_shipped_name_or_a_path) {
    const test_support::TemporaryDirectory directory;
    std::filesystem::create_directory(directory / "apps");
    test_support::write_file(directory / "apps/hello", "");
    test_support::write_file(directory / "cops-kernel", "");
    const Images images(directory.path());
    EXPECT_EQ(images.kernel(), directory / "cops-kernel");
    EXPECT_EQ(images.application("hello"), directory / "apps/hello");
    EXPECT_EQ(images.application("./hello"), "./hello");
    const auto message = test::failure_of(vmm::ErrorKind::configuration, [&images] {
        (void)images.application("hallo");
    });
    EXPECT_THAT(message, HasSubstr("did you mean 'hello'?; shipped: hello"));
}

TEST(Images, a_missing_kernel_is_told) {
    const Images images("/nonexistent");
    const auto message =
        test::failure_of(vmm::ErrorKind::configuration, [&images] { (void)images.kernel(); });
    EXPECT_THAT(message, HasSubstr("/nonexistent/cops-kernel"));
}

}  // namespace
}  // namespace tools
