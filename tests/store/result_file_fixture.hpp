#pragma once

#include <cstring>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/result_file.hpp"

#include "store/sample.hpp"

// What the tests of a result file share.
namespace mpira::store {

/// The message of the Error that `body` throws; checks its origin.
template <typename Body>
std::string message_of(Origin origin, Body const& body) {
    try {
        body();
    } catch (Error const& error) {
        EXPECT_EQ(static_cast<int>(error.origin()), static_cast<int>(origin)) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

class ResultFileTest : public testing::Test {
protected:
    void create(CreateOptions const& options = {}) {
        ResultFile::create(file, layout, sample::tables(layout), options);
    }
    [[nodiscard]] ResultFile open(FileIo* io = nullptr) const {
        return ResultFile::open(file, layout, {WriteMode::direct, io});
    }
    void expect_rows(std::uint64_t unit) const {
        auto const expected = sample::rows(layout, unit);
        AnnDataReader const reader(file);
        auto const bytes = sample::bytes_of(file);
        for (std::size_t i = 0; i < layout.row_arrays.size(); ++i) {
            auto const info = reader.info(layout.row_arrays[i].path);
            ASSERT_TRUE(info.offset.has_value());
            auto const want = expected.raw(i);
            auto const at = *info.offset + expected.first_row() * layout.row_arrays[i].bytes_per_row();
            EXPECT_EQ(std::memcmp(bytes.data() + at, want.data(), want.size()), 0)
                << layout.row_arrays[i].path << " of unit " << unit;
        }
    }
    sample::Folder folder;
    std::filesystem::path file = folder / "out.h5ad";
    ResultLayout layout = sample::layout();
};

}  // namespace mpira::store
