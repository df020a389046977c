#include "mpira/base/checksum.hpp"

#include <string_view>

#include <gtest/gtest.h>

#include "mpira/base/error.hpp"

namespace mpira {
namespace {

std::span<std::byte const> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Checksum, CrcIsTheOneOfZlib) {
    EXPECT_EQ(crc32(bytes_of("123456789")), 0xCBF43926U);  // the check value of CRC-32/ISO-HDLC
    EXPECT_EQ(crc32(bytes_of("6789"), crc32(bytes_of("12345"))), 0xCBF43926U);
}

TEST(Checksum, HashSeesWhereATextEnds) {
    EXPECT_NE(ContentHash().add("ab").add("c").hex(), ContentHash().add("a").add("bc").hex());
    EXPECT_EQ(ContentHash().add("ab").hex(), ContentHash().add("ab").hex());
    EXPECT_EQ(ContentHash().add("ab").hex().size(), 32U);
}

TEST(Checksum, AMissingFileIsNamed) {
    try {
        (void)hash_file("/nowhere/at all");
        FAIL() << "expected an error";
    } catch (Error const& error) {
        EXPECT_EQ(error.exit_code(), 2);
        EXPECT_NE(std::string_view(error.what()).find("/nowhere/at all"), std::string_view::npos);
    }
}

}  // namespace
}  // namespace mpira
