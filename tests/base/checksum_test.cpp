#include "mpira/base/checksum.hpp"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/sha256.hpp"

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

// The examples of FIPS 180-4, and lengths around where padding needs a second block (from sha256sum).
TEST(Checksum, Sha256IsTheStandards) {
    EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(sha256(bytes_of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(sha256(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(sha256(bytes_of(std::string(1000000, 'a'))),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    EXPECT_EQ(sha256(bytes_of(std::string(55, 'a'))),
              "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    EXPECT_EQ(sha256(bytes_of(std::string(56, 'a'))),
              "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
    EXPECT_EQ(sha256(bytes_of(std::string(63, 'a'))),
              "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
    EXPECT_EQ(sha256(bytes_of(std::string(64, 'a'))),
              "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
    EXPECT_EQ(sha256(bytes_of(std::string(119, 'a'))),
              "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb");
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
