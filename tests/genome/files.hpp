#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"

namespace mpira::genome {

/// A folder of a test's own, removed with it.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "mpira-genome-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(Folder const&) = delete;
    Folder& operator=(Folder const&) = delete;

    [[nodiscard]] std::filesystem::path const& path() const { return path_; }
    std::filesystem::path write(std::string const& name, std::string_view text) const {
        std::ofstream(path_ / name, std::ios::binary) << text;
        return path_ / name;
    }

private:
    std::filesystem::path path_;
};

/// Runs `what`, which must refuse the user's input (exit code 2) with all of `fragments` in the message.
template <typename What>
void expect_refusal(What&& what, std::initializer_list<std::string> fragments) {
    try {
        what();
    } catch (Error const& error) {
        EXPECT_EQ(error.exit_code(), 2) << error.what();
        for (auto const& fragment : fragments) EXPECT_THAT(error.what(), testing::HasSubstr(fragment));
        return;
    }
    ADD_FAILURE() << "was taken, a refusal was expected naming: " << *fragments.begin();
}

}  // namespace mpira::genome
