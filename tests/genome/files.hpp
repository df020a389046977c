#pragma once

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"

#include "support/scratch_folder.hpp"

namespace mpira::genome {

using Folder = test::ScratchFolder;

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
